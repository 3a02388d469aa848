/** What is on the screen past its time. */

/** @param {{u?: number}} payload @returns {boolean} whether what it says has ceased to be true, by this browser's clock */
export const over = ({ u }) => !!u && u <= Date.now();

/** Close those of our notifications whose time has passed. Best effort. @param {ServiceWorkerRegistration} registration */
export async function tidy(registration) {
  for (const notification of await registration.getNotifications().catch(() => []))
    if (notification.data && notification.data.pushGateway && over(notification.data.pushGateway)) notification.close();
}
