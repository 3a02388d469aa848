import { html, useState } from "../vendor/preact-htm.js";
import { api } from "../api.js";
import { bytes, Button, confirm, Choice, CopyButton, Empty, Failure, Icon, Loading, More, Notice, number, Page, percent, Section, Time, toast, usePages, useSession } from "../ui/index.js";
import { Drop } from "./images/drop.js";

const PURPOSES = [
  { value: "image", text: "Large picture", hint: "two to one, up to 1440 × 720" },
  { value: "icon", text: "Icon", hint: "192 × 192, beside the text" },
  { value: "badge", text: "Badge", hint: "96 × 96, one colour, Android's status bar" },
];
const TYPES = ["image/png", "image/jpeg", "image/webp", "image/gif"];
const MOST = 10_000_000;

/** Pictures that are made to fit notifications. @param {{site: any, params: Record<string, string>}} props */
export default function Screen({ site }) {
  const path = `/v1/sites/${site.id}/images`;
  const pages = usePages(path, {}, { limit: 30 });
  const { may } = useSession();
  return html`<${Page} title="Images" lead="A picture is loaded by everybody who is shown it. Upload it here, and it is cut and made small once; each browser then loads a tenth of it or so.">
    ${may("send") && html`<${Section} title="Upload"><${Upload} path=${path} after=${pages.reload} /><//>`}
    ${pages.items == null
      ? html`<${Section}>${pages.problem ? html`<${Failure} problem=${pages.problem} retry=${pages.reload} />` : html`<${Loading} />`}<//>`
      : pages.items.length
        ? html`<ul class="gallery">${pages.items.map((each) => html`<${Card} key=${each.id} path=${path} image=${each} after=${pages.reload} />`)}</ul><${More} pages=${pages} />`
        : html`<${Section}><${Empty} icon="images" title="No pictures yet.">What you upload can be chosen when you write a message.<//><//>`}
  <//>`;
}

/** @param {{path: string, after: () => Promise<unknown>}} props */
function Upload({ path, after }) {
  const [purpose, setPurpose] = useState("image");
  const [going, setGoing] = useState(/** @type {{name: string, part: number | null}[]} */ ([]));
  const [refused, setRefused] = useState(/** @type {{name: string, why: string}[]} */ ([]));
  /** @param {File} file */
  async function one(file) {
    if (!TYPES.includes(file.type)) throw new Error("It is no PNG, JPEG, WebP or GIF.");
    if (file.size > MOST) throw new Error(`It has ${bytes(file.size)}; ${bytes(MOST)} are the most.`);
    const onProgress = (/** @type {number} */ sent) => setGoing((all) => all.map((each) => (each.name == file.name ? { ...each, part: sent / file.size } : each)));
    return api.send(path, file, file.type, { query: { purpose }, onProgress });
  }
  /** One after the other: the gateway draws them so. @param {File[]} files */
  async function take(files) {
    setRefused([]);
    setGoing(files.map(({ name }) => ({ name, part: null })));
    for (const file of files) {
      try {
        const made = await one(file);
        toast(`${file.name}: ${bytes(made.original_bytes)} became ${bytes(made.bytes)}.`);
      } catch (/** @type {any} */ error) {
        setRefused((all) => [...all, { name: file.name, why: error.sentence?.() ?? error.message }]);
      }
      setGoing((all) => all.filter((each) => each.name != file.name));
    }
    await after();
  }
  return html`<div class="stack">
    <${Choice} label="What it is for" cards value=${purpose} onChange=${setPurpose} options=${PURPOSES} />
    <${Drop} label=${`Choose pictures to upload as ${PURPOSES.find((each) => each.value == purpose)?.text.toLowerCase()}`} accept=${TYPES.join()} multiple disabled=${going.length > 0} onFiles=${take}>
      <b>Drop pictures here</b>, or choose them: PNG, JPEG, WebP or GIF, up to 10 MB.<//>
    <div role="status" class="stack tight">${going.map((each) => html`<p key=${each.name} class="muted">${each.name}: ${each.part == null ? "waiting" : each.part < 1 ? percent(each.part, 0) : "being drawn"}…</p>`)}</div>
    ${refused.map((each) => html`<${Notice} tone="bad"><b>${each.name}</b>: ${each.why}<//>`)}
  </div>`;
}

/** @param {{path: string, image: any, after: () => Promise<unknown>}} props */
function Card({ path, image, after }) {
  const { may } = useSession();
  const purpose = PURPOSES.find((each) => each.value == image.purpose);
  const remove = () =>
    confirm({
      title: "Delete this picture?",
      body: html`<p>Messages that show it, also those that wait for their time, are shown without it from then on. Browsers that have loaded it may keep it.</p>`,
      confirm: "Delete the picture",
      danger: true,
      action: async () => {
        await api.del(`${path}/${image.id}`);
        await after();
        toast("The picture is deleted.");
      },
    });
  const saved = image.original_bytes > image.bytes && image.original_bytes / image.bytes;
  return html`<li class="card gallery-card">
    <div class=${`gallery-picture ${image.purpose}`}><img src=${image.url} alt=${`${purpose?.text}, ${image.width} by ${image.height} pixels`} width=${image.width} height=${image.height} loading="lazy" /></div>
    <div class="gallery-said"><span><b>${purpose?.text}</b> <span class="muted">${image.width} × ${image.height}</span></span><${Time} at=${image.created_at} style="date" />
      <span class="gallery-size" title=${`Uploaded with ${bytes(image.original_bytes)}`}>${bytes(image.original_bytes)} <span class="muted" aria-hidden="true">→</span><span class="hidden"> became </span> <b>${bytes(image.bytes)}</b>${saved && saved >= 2 ? html` <span class="muted">· ${number(saved)} times less</span>` : null}</span></div>
    <div class="gallery-tools"><${CopyButton} text=${image.url}>Copy URL<//><a class="button ghost small bare" href=${image.url} target="_blank" rel="noopener" aria-label="Open in a new tab" title="Open in a new tab"><${Icon} name="external" size="16" /></a>
      ${may("send") && html`<${Button} kind="ghost" small icon="trash" label="Delete this picture" onClick=${remove} />`}</div>
  </li>`;
}
