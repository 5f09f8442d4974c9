/**
 * What the adapters of Node frameworks share: Node's requests and responses in terms of the contract. It takes Node's
 * objects as structures and imports nothing of Node.
 *
 * @module
 */
export { listenOn } from "./node/listen-on.js";
export { NodeRequest, nodeRequest } from "./node/node-request.js";
export { sendResponse, settleAfter, writeHeaders } from "./node/node-response.js";
export { readyBody } from "./node/ready-body.js";

export type { NodeCertificate } from "./node/client-certificate.js";
export type { NodeIncoming, NodeOutgoing, NodeSocket } from "./node/incoming.js";
export type { Listening, ListenOptions, NodeConnection, NodeServer } from "./node/listen-on.js";
export type { Routing } from "./node/node-request.js";
