export { adapterLaws, adapterLawsFor } from "./adapter-laws/adapter-laws.js";
export { toApp, toFetchResponse, toStream } from "./adapter-laws/adapter-host.js";
export { createManualClock } from "./manual-clock.js";

export type { ManualClock } from "./manual-clock.js";
export type {
  AdapterCapability,
  AdapterHost,
  AdapterSetup,
  NativeCall,
  NativeReply,
  NativeRoute,
  RunningAdapter,
} from "./adapter-laws/adapter-host.js";
export type { AdapterLaw } from "./adapter-laws/adapter-law.js";
