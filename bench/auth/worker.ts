// The process of one question: built, so that what runs is what ships; alone, so that no other question has shaped its code.
import { answerParent } from "../harness/ask-process.js";
import { type Extent, measure } from "../harness/measure.js";
import { type Callers, createCallers } from "./callers.js";
import { measureFootprint } from "./footprint.js";
import { sessionVariants } from "./sessions.js";
import {
  checkVerifier,
  expressJwt,
  fastJwt,
  fastJwtCached,
  jose,
  jsonWebToken,
  ours,
  oursCached,
  oursVerify,
  raw,
  type Verifier,
} from "./verifiers.js";

/** What the process is asked. */
export type Question =
  | {
      readonly ask: "unknown tokens" | "known tokens";
      readonly callers: number;
      readonly extent: Extent;
      /** For a profile: measures nobody whose name lacks it. */
      readonly only?: string;
    }
  | { readonly ask: "sessions"; readonly extent: Extent }
  | { readonly ask: "footprint"; readonly count: number };

async function answer(question: Question): Promise<unknown> {
  switch (question.ask) {
    case "footprint":
      return measureFootprint(question.count);
    case "sessions":
      return measure(sessionVariants(question.extent.decisions), question.extent);
    default: {
      const { only = "" } = question;
      const callers = await createCallers(question.callers);
      const verifiers = (await verifiersOf(question.ask, callers)).filter(({ variant }) => variant.name.includes(only));
      for (const verifier of verifiers) await checkVerifier(verifier, callers);
      return measure(
        verifiers.map(({ variant }) => variant),
        question.extent,
      );
    }
  }
}

async function verifiersOf(ask: "unknown tokens" | "known tokens", callers: Callers): Promise<readonly Verifier[]> {
  return ask === "known tokens"
    ? [raw(callers), oursCached(callers), fastJwtCached(callers)]
    : [raw(callers), oursVerify(callers), ours(callers), fastJwt(callers), await jose(callers), jsonWebToken(callers), expressJwt(callers)];
}

await answerParent(answer);
