import { html, useState } from "../vendor/preact-htm.js";
import { signIn } from "../api.js";
import { Form, Notice, TextField } from "../ui/index.js";

/** @param {{why: string, onSignedIn: (session: any) => void}} props */
export default function Screen({ why, onSignedIn }) {
  const [token, setToken] = useState("");
  document.title = "Sign in · Push gateway";
  return html`<main class="login">
    <div class="login-card card">
      <img src="icon.svg" alt="" width="44" height="44" />
      <h1>Sign in</h1>
      <p class="muted">With an API token of this gateway. What you may see and do here is what the token may.</p>
      ${why && html`<${Notice} tone="warn">${why}<//>`}
      <${Form} submit="Sign in" shown=${["token"]} save=${async () => onSignedIn(await signIn(token.trim()))}>${(/** @type {any} */ { problem }) => html`
        <${TextField} label="API token" type="password" path="token" problem=${problem} value=${token} onChange=${setToken} autocomplete="current-password" required autofocus spellcheck="false"
          hint=${html`The first start printed one; <code>python -m gateway token new</code> makes another.`} />`}
      <//>
    </div>
  </main>`;
}
