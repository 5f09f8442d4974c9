/** Values of every type as JSON, for the vector file: what JSON cannot hold is `{ "$": type, "v": text }`. */
export function toVectorJson(value: unknown): unknown {
  if (value === undefined) return { $: "undefined", v: "" };
  if (typeof value === "bigint") return { $: "bigint", v: String(value) };
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) {
    return { $: "number", v: Object.is(value, -0) ? "-0" : String(value) };
  }
  if (value instanceof Date) return { $: "date", v: String(value.getTime()) };
  if (value instanceof Uint8Array) return { $: "bytes", v: Buffer.from(value).toString("hex") };
  if (Array.isArray(value)) return value.map(toVectorJson);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, toVectorJson(member)]));
  }
  return value;
}

/** The value again. */
export function fromVectorJson(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(fromVectorJson);
  if (typeof json !== "object" || json === null) return json;
  const { $: type, v: text } = json as { readonly $?: string; readonly v?: string }; // the two names of a typed value
  if (type === undefined || text === undefined) {
    return Object.fromEntries(Object.entries(json).map(([name, member]) => [name, fromVectorJson(member)]));
  }
  switch (type) {
    case "undefined":
      return undefined;
    case "bigint":
      return BigInt(text);
    case "number":
      return Number(text);
    case "date":
      return new Date(Number(text));
    default:
      return new Uint8Array(Buffer.from(text, "hex"));
  }
}
