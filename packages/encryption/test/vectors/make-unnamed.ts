// Writes unnamed-key.json, an envelope whose writer named no key: `npx tsx packages/encryption/test/vectors/make-unnamed.ts`.
import { writeFileSync } from "node:fs";
import { KEY_2 } from "../fixture.js";
import { seal } from "../reference-envelope.js";

const plaintext = Buffer.concat([Buffer.of(0x06), Buffer.from("unnamed")]);
const place = { namespace: "shop", tenant: "acme", table: "users", recordId: "u1", field: "", purpose: "value" } as const;
const envelope = seal(plaintext, Buffer.from(KEY_2, "hex"), Buffer.alloc(8), Buffer.alloc(16, 5), Buffer.alloc(12, 6), place);
writeFileSync(new URL("unnamed-key.json", import.meta.url), `${JSON.stringify({ description: "An envelope that names no key; see make-unnamed.ts.", envelope }, undefined, 2)}\n`);
