// What people see of the make-believe company: a login page and little else.

const escape = (text) => String(text ?? '').replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)

const layout = (title, body) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · The Company</title>
<style>
  :root { color-scheme: light dark }
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 22rem; margin: 12vh auto; padding: 0 1.25rem }
  h1 { font-size: 1.4rem; margin: .25rem 0 1.25rem }
  label { display: block; margin: 1rem 0 .25rem }
  input, button { font: inherit; width: 100%; box-sizing: border-box; padding: .6rem .75rem; border-radius: .4rem }
  input { border: 1px solid GrayText }
  button { margin-top: 1rem; border: 1px solid #3b4cca; background: #3b4cca; color: #fff; cursor: pointer }
  button.second { background: transparent; color: inherit; border-color: GrayText }
  [role=alert] { border-left: 3px solid #c0392b; padding-left: .75rem }
  small { color: GrayText }
</style>
<body>
<small>The Company</small>
${body}
</body>
</html>`

/** The login page; `wrong` when it was tried in vain. */
export const login = ({ name = '', wrong = false }) =>
  layout(
    'Sign in',
    `<h1>Sign in with your company account</h1>
${wrong ? '<p role="alert">Wrong name or password.</p>' : ''}
<form method="post">
<label for="name">User name</label>
<input id="name" name="name" value="${escape(name)}" autocomplete="username" autocapitalize="none" autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password">
<button>Sign in</button>
<button class="second" name="cancel" value="yes">Cancel</button>
</form>`,
  )

/** Asks whether to sign out here, too. `form` is the provider's, and hidden. */
export const asksToSignOut = (form) =>
  layout(
    'Sign out',
    `<h1>Sign out of the company, too?</h1>
${form}
<button form="op.logoutForm" name="logout" value="yes">Sign out</button>
<button class="second" form="op.logoutForm">Stay signed in</button>`,
  )

export const signedOut = () => layout('Signed out', '<h1>You are signed out</h1>')

/** What the provider refuses, with its reason. */
export const failure = ({ error, error_description: why }) =>
  layout('No', `<h1>This did not work</h1><p role="alert"><code>${escape(error)}</code> ${escape(why)}</p>`)
