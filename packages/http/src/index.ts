/**
 * What those who run a bus ask it over HTTP, as routes for an app's own server.
 *
 * @since 0.1.0
 */

export * as HealthRoutes from "./HealthRoutes.ts"
