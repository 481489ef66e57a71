/** The beginning of the page. It is small: the look that the address asks for begins before the rest has arrived. */
import { lookEarly } from "./early.ts"
import "./styles/tokens.css"
import "./styles/base.css"
import "./styles/shell.css"
import "./styles/blocks.css"
import "./styles/tables.css"
import "./styles/maps.css"
import "./styles/dialogs.css"
import "./styles/jobs.css"
import "./styles/bodies.css"
import "./styles/split.css"
import "./styles/filters.css"
import "./styles/grid.css"
import "./styles/letter.css"
import "./styles/traces.css"
import "./styles/inspections.css"
import "./styles/charts.css"

lookEarly()
void import("./start.tsx").then(({ show }) => show())
