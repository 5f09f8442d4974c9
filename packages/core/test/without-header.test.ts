import { createApp, defineRoute, FetchGuardRequest, type Guard, toFetchHandler, withoutHeader } from "@portcullis/core";
import { describe, expect, test } from "vitest";

const FIELDS = { "x-user-id": "eve", "x-a": "1" };

/** A request whose header fields cannot be changed, as those that Cloudflare Workers hand out. */
function immutable(init: RequestInit = {}): Request {
  const request = new Request("http://localhost/a?b", { headers: FIELDS, ...init });
  const refuse = (): never => {
    throw new TypeError("immutable");
  };
  Object.defineProperty(request.headers, "delete", { value: refuse });
  return request;
}

describe("withoutHeader", () => {
  test("changes the request itself where it can be changed", () => {
    const request = new Request("http://localhost/", { headers: FIELDS });
    expect(withoutHeader(request, "X-User-ID")).toBe(request);
    expect([...request.headers]).toEqual([["x-a", "1"]]);
  });

  test("is a copy with the same body and signal where it cannot", async () => {
    const controller = new AbortController();
    const copy = withoutHeader(immutable({ method: "POST", body: "abc", signal: controller.signal }), "x-user-id");
    expect([copy.method, copy.url, copy.headers.get("x-user-id"), copy.headers.get("x-a")]).toEqual([
      "POST",
      "http://localhost/a?b",
      null,
      "1",
    ]);
    expect(copy.clone().headers.has("x-user-id")).toBe(false);
    expect(await copy.text()).toBe("abc");
    controller.abort();
    expect(copy.signal.aborted).toBe(true);
  });

  test("is a copy whose body counts as read where the body was read", async () => {
    const request = immutable({ method: "POST", body: "abc" });
    await request.text();
    const copy = withoutHeader(request, "x-user-id");
    expect([copy.bodyUsed, copy.headers.has("x-user-id")]).toEqual([true, false]);
    await expect(copy.text()).rejects.toThrow(TypeError);
  });

  test("leaves a request that has no such field as it is, also an immutable one", () => {
    const request = immutable();
    expect(withoutHeader(request, "x-absent")).toBe(request);
  });
});

describe("removeHeader on Fetch", () => {
  const remove: Guard = { name: "remove", check: (request) => (request.removeHeader("x-user-id"), { kind: "allow" }) };
  const read: Guard = { name: "read", check: (request) => request.rawBody(10).then(() => ({ kind: "allow" })) };

  test.each([
    ["alone", [remove]],
    ["before the body is read", [remove, read]],
    ["after the body was read", [read, remove, read]],
  ])("hides the field from the handler and leaves it the body: %s", async (_when, guards) => {
    const route = defineRoute({
      method: "POST",
      path: "/a",
      operationId: "a",
      summary: "Tells",
      handle: async (request) => Response.json([[...request.headers.keys()].includes("x-user-id"), await request.text()]),
    });
    const answer = toFetchHandler(createApp({ guards, routes: [route] }));
    for (const request of [
      immutable({ method: "POST", body: "abc" }),
      new Request("http://localhost/a", { method: "POST", body: "abc", headers: FIELDS }),
    ]) {
      expect(await (await answer(request)).json()).toEqual([false, "abc"]);
    }
  });

  test("a body that somebody read before stays refused", async () => {
    const request = immutable({ method: "POST", body: "abc" });
    await request.text();
    const guarded = new FetchGuardRequest(request, undefined);
    guarded.removeHeader("x-user-id");
    expect([guarded.header("x-user-id"), guarded.headerCount("x-user-id"), guarded.header("x-a")]).toEqual([undefined, 0, "1"]);
    await expect(guarded.rawBody(10)).rejects.toMatchObject({ code: "mounted_after_parser" });
  });
});

describe("the host on Fetch", () => {
  test.each(["http://app.example:8080", "http://app.example:8080/", "http://app.example:8080/a/b?c"])("is in the URL: %s", (url) => {
    const request = new FetchGuardRequest(new Request(url), undefined);
    expect([request.header("host"), request.headerCount("host")]).toEqual(["app.example:8080", 1]);
    request.removeHeader("Host");
    expect([request.header("host"), request.headerCount("host")]).toEqual([undefined, 0]);
  });

  test("is what the field says where there is one", () => {
    const request = new FetchGuardRequest(new Request("http://inside/", { headers: { host: "app.example" } }), undefined);
    expect(request.header("host")).toBe("app.example");
    request.removeHeader("host");
    expect(request.header("host")).toBeUndefined();
  });
});
