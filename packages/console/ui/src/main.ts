/** The beginning of the page. It is small: the look that the address asks for begins before the rest has arrived. */
import { lookEarly } from "./early.ts"
import "./styles/tokens.css"
import "./styles/base.css"
import "./styles/shell.css"
import "./styles/parts.css"
import "./styles/pages.css"
import "./styles/drawer.css"

lookEarly()
void import("./start.tsx").then(({ show }) => show())
