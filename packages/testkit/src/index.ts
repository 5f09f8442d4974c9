export { adapterLaws, adapterLawsFor } from "./adapter-laws/adapter-laws.js";
export { fetchHeader, nodeHeader, toApp, toFetchResponse, toStream } from "./adapter-laws/adapter-host.js";
export { principal } from "./application/principal.js";
export { allowAll, authenticateAs, denyAll } from "./application/stand-ins.js";
export { adapterMutants } from "./mutants/adapter-mutants.js";
export { NodeAdapter } from "./mutants/node-adapter.js";
export { storeMutants } from "./mutants/store-mutants.js";
export { createManualClock } from "./manual-clock.js";
export { portLaws, portLawsFor } from "./port-laws/port-laws.js";

export type { PrincipalDetails } from "./application/principal.js";
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
export type { PortLaw, PortName, StoreHost } from "./port-laws/port-law.js";
export type { AdapterLaw } from "./adapter-laws/adapter-law.js";
export type { StoreMutant } from "./mutants/store-mutants.js";
export type { Chain, Matched } from "./mutants/node-adapter.js";
export type { AdapterMutant } from "./mutants/adapter-mutants.js";
