import type { Outcome } from "../guard/guard.js";

/**
 * Calls `settle` once, when the response's body was read to its end or given up; at once for a response without a body.
 *
 * @returns The response to send in place of the given one.
 */
export function settleAfterBody(response: Response, signal: AbortSignal, settle: (outcome: Outcome) => void): Response {
  const responded = (): void => settle({ kind: "responded", status: response.status });
  if (response.body === null) {
    responded();
    return response;
  }
  signal.addEventListener("abort", () => settle({ kind: "aborted" }), { once: true });
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        responded();
        controller.close();
      } catch (error) {
        settle({ kind: "aborted" });
        controller.error(error);
      }
    },
    async cancel(reason) {
      settle({ kind: "aborted" });
      await reader.cancel(reason);
    },
  });
  return new Response(body, {
    status: response.status,
    statusText: response.statusText,
    headers: response.headers,
  });
}
