/**
 * Code that must compile, and code that must not. Nothing here runs: `npm run check` reads it, and an
 * `@ts-expect-error` above a line that compiles is an error.
 */
// @effect-diagnostics *:skip-file
import { BlobStore, BodyPlan, ClaimCheck, Compression } from "@effect-eventbus/bodies"

const plain: BodyPlan.BodyPlan<never> = BodyPlan.make([Compression.gzip()])
const stored: BodyPlan.BodyPlan<never> = BodyPlan.make([ClaimCheck.make()], { store: BlobStore.layerMemory })
void [plain, stored]
// @ts-expect-error claim checks need a store
BodyPlan.make([ClaimCheck.make()])
