import type { Outcome } from "../guard/guard.js";

/**
 * Calls `settle` once, when the response's body was read to its end or given up; at once for a response without a body, and for
 * a client that has left already.
 *
 * @returns The response to send in place of the given one.
 */
export function settleAfterBody(response: Response, signal: AbortSignal, settle: (outcome: Outcome) => void): Response {
  let isSettled = false;
  const settleOnce = (outcome: Outcome): void => {
    if (isSettled) return;
    isSettled = true;
    signal.removeEventListener("abort", aborted);
    settle(outcome);
  };
  const aborted = (): void => settleOnce({ kind: "aborted" });
  const responded = (): void => settleOnce({ kind: "responded", status: response.status });
  if (response.body === null) {
    responded();
    return response;
  }
  signal.addEventListener("abort", aborted, { once: true });
  if (signal.aborted) aborted(); // the event was before: nobody may ever read the body
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        responded();
        controller.close();
      } catch (error) {
        aborted();
        controller.error(error);
      }
    },
    async cancel(reason) {
      aborted();
      await reader.cancel(reason);
    },
  });
  return new Response(body, {
    status: response.status,
    statusText: response.statusText,
    headers: response.headers,
  });
}
