import { html, useState } from "../vendor/preact-htm.js";
import { Problem, signIn, signOut } from "../api.js";
import { Form, Notice, TextField } from "../ui/index.js";

/** @param {{why: string, onSignedIn: (session: any) => void}} props */
export default function Screen({ why, onSignedIn }) {
  const [token, setToken] = useState("");
  async function enter() {
    const session = await signIn(token.trim());
    if (session.scopes.includes("read")) return onSignedIn(session);
    await signOut();
    throw new Problem(403, { detail: "This token may not look at anything. Signing in needs one that may read." });
  }
  document.title = "Sign in · Push gateway";
  return html`<main class="login">
    <div class="login-card card">
      <img src="icon.svg" alt="" width="44" height="44" />
      <h1>Sign in</h1>
      <p class="muted">With an API token of this gateway. What you may see and do here is what the token may.</p>
      ${why && html`<${Notice} tone="warn">${why}<//>`}
      <${Form} submit="Sign in" shown=${["token"]} save=${enter}>${(/** @type {any} */ { problem }) => html`
        <${TextField} label="API token" type="password" path="token" problem=${problem} value=${token} onChange=${setToken} autocomplete="current-password" required autofocus spellcheck="false"
          hint=${html`The first start printed one; <code>python -m gateway token new</code> makes another.`} />`}
      <//>
    </div>
  </main>`;
}
