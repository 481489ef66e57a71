/**
 * HTTP routes for operating a bus, which you add to the server of your app.
 *
 * @since 0.1.0
 */

export * as ControlRoutes from "./ControlRoutes.ts"
export * as HealthRoutes from "./HealthRoutes.ts"
