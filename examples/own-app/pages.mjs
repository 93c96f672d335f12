// What people see of Planner and of Notes: little.

const escape = (text) => String(text ?? '').replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)

const layout = (title, body) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>
  :root { color-scheme: light dark }
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 26rem; margin: 10vh auto; padding: 0 1.25rem }
  h1 { font-size: 1.4rem } h2 { font-size: 1rem }
  label { display: block; margin: 1rem 0 .25rem }
  input:not([type=radio]), button { font: inherit; width: 100%; box-sizing: border-box; padding: .6rem .75rem; border-radius: .4rem }
  input:not([type=radio]) { border: 1px solid GrayText }
  button { margin-top: .75rem; border: 1px solid #1f7a5c; background: #1f7a5c; color: #fff; cursor: pointer }
  [role=alert] { border-left: 3px solid #c0392b; padding-left: .75rem }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid GrayText; padding: .75rem; border-radius: .4rem }
</style>
<body><main>
<h1>${escape(title)}</h1>
${body}
</main></body>
</html>`

export function page(response, title, body, status = 200) {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
  response.end(layout(title, body))
}

/** 303: the next request is a GET, whatever this one was. */
export function redirect(response, to) {
  response.writeHead(303, { location: to, 'cache-control': 'no-store' }).end()
}

export const form = (action, button, method = 'post') =>
  `<form method="${method}" action="${action}"><button>${button}</button></form>`

/** The text of a tool's result. */
export const messageOf = (result) => escape(result.content.map((block) => block.text ?? '').join('\n'))

/** Asks at Notes whose notes a program may read. */
export const asks = ({ accounts, hidden }) => `<p>Anteroom asks to read notes.</p>
<form method="post">
${Object.entries(hidden).map(([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`).join('\n')}
${accounts.map(({ id, name }, index) => `<p><input type="radio" name="account" id="${id}" value="${id}"${index ? '' : ' checked'}> <label style="display:inline" for="${id}">${escape(name)}</label></p>`).join('\n')}
<button name="answer" value="allow">Allow</button>
<button name="answer" value="deny">Deny</button>
</form>`
