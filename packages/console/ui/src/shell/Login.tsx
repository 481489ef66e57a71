/** Asks for the token of the console, where the page has no session. */
import { type FormEvent, type ReactNode, useState } from "react"
import { header } from "../../../src/ConsoleApi.ts"
import { root } from "../state/client.ts"

export const Login = (): ReactNode => {
  const [token, setToken] = useState("")
  const [problem, setProblem] = useState<string>()
  const [isActing, setActing] = useState(false)
  const logIn = (event: FormEvent) => {
    event.preventDefault()
    setActing(true)
    setProblem(undefined)
    fetch(`${root}/login`, {
      method: "POST",
      headers: { "content-type": "application/json", [header]: "1" },
      body: JSON.stringify({ token })
    })
      .then((response) => {
        if (response.ok) location.reload()
        else setProblem("The console does not know this token. Each start of `eventbus console` has a new one.")
      })
      .catch(() => setProblem("The console's server does not answer. Is `eventbus console` still running?"))
      .finally(() => setActing(false))
  }
  return (
    <main id="main" className="login">
      <h1 tabIndex={-1}>eventbus console</h1>
      <p className="soft">
        You are not logged in. Open the link that the console printed when it started, or give its token.
      </p>
      <form onSubmit={logIn} className="field">
        <label htmlFor="token">Token</label>
        <input
          id="token"
          type="password"
          autoComplete="off"
          value={token}
          onChange={(event) => setToken(event.target.value.trim())}
        />
        {problem === undefined ? null : (
          <p className="bad-text" role="alert">
            {problem}
          </p>
        )}
        <div className="actions">
          <button type="submit" className="button main" disabled={token === "" || isActing}>
            Log in
          </button>
        </div>
      </form>
    </main>
  )
}
