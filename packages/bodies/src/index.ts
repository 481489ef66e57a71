/**
 * @since 0.1.0
 */

export * as BlobStore from "./BlobStore.ts"
export * as Bodies from "./Bodies.ts"
export * as BodyPlan from "./BodyPlan.ts"
export * as BodyTransform from "./BodyTransform.ts"
export * as ClaimCheck from "./ClaimCheck.ts"
export * as CloudEvents from "./CloudEvents.ts"
export * as Compression from "./Compression.ts"
export * as Encryption from "./Encryption.ts"
export * as S3BlobStore from "./S3BlobStore.ts"
export * as SqlBlobStore from "./SqlBlobStore.ts"
