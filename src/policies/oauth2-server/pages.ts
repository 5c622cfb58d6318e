/** What a person sees: login, consent, errors; and the two assets they need. Pure. */

export function loginPage(): string {
  return page(
    'Log in',
    `<form action="/login" method="post">
      <h1>Log in</h1>
      <label>User name <input type="text" name="username" autocomplete="username" autofocus required></label>
      <label>Password <input type="password" name="password" autocomplete="current-password" required></label>
      <button type="submit">Log in</button>
    </form>`,
  )
}

export interface Consent {
  readonly transaction: string
  readonly user: string
  readonly application: string
  readonly scopes: readonly string[]
}

/** The two buttons say what they do: `cancel` is sent by the second alone. */
export function consentPage({ transaction, user, application, scopes }: Consent): string {
  const wanted =
    scopes.length === 0
      ? ''
      : `<p>It asks for:</p><ul>${scopes.map((scope) => `<li>${escape(scope)}</li>`).join('')}</ul>`
  return page(
    'Allow access?',
    `<form action="/oauth2/authorize/decision" method="post">
      <h1>Allow access?</h1>
      <p>Hello ${escape(user)}. <b>${escape(application)}</b> asks to act in your name.</p>
      ${wanted}
      <input type="hidden" name="transaction_id" value="${escape(transaction)}">
      <button type="submit" name="allow" value="1">Allow</button>
      <button type="submit" name="cancel" value="1" class="second">Cancel</button>
    </form>`,
  )
}

export function errorPage(status: number, reason: string, message: string): string {
  return page(`${status} ${reason}`, `<main><h1>${status} ${escape(reason)}</h1><p>${escape(message)}</p></main>`)
}

export const styles = `:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { display: grid; place-items: center; min-height: 90vh; margin: 1rem; }
form, main { width: min(24rem, 100%); padding: 2rem; border: 1px solid #8886; border-radius: 0.75rem; }
img { width: 2.5rem; }
h1 { margin: 0 0 1rem; font-size: 1.35rem; }
label { display: block; margin-bottom: 1rem; }
input { box-sizing: border-box; width: 100%; padding: 0.5rem; font: inherit; }
button { padding: 0.5rem 1.25rem; font: inherit; border: 0; border-radius: 0.4rem; background: #1463c4; color: #fff; }
button.second { background: transparent; color: inherit; border: 1px solid #8888; }
`

/** A gate. */
export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none" stroke="#1463c4" stroke-width="3">
<path d="M4 29V13a12 12 0 0 1 24 0v16M2 29h28M11 29V14M16 29V12M21 29V14"/></svg>
`

function page(title: string, body: string): string {
  return `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${escape(title)}</title>
    <link rel="icon" href="/assets/eg-icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="/css/style.css">
  </head>
  <body>
    ${body}
  </body>
</html>
`
}

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
