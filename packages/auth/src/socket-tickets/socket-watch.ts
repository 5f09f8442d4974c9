import { quietly, type SubjectState } from "@portcullis/core";
import type { AuthSettings } from "../auth-settings.js";
import type { Auth } from "../create-auth.js";
import type { Instruments } from "../instruments.js";
import type { SocketAdmission } from "./create-socket-tickets.js";

/** Open sockets by subject. */
export interface SocketWatch {
  add(admission: SocketAdmission, close: () => void): () => void;
  recheck(): Promise<void>;
  close(): void;
}

interface Watched {
  readonly admission: SocketAdmission;
  readonly close: () => void;
}

export function createSocketWatch(auth: Auth, settings: AuthSettings, instruments: Instruments, recheckMs: number): SocketWatch {
  const { store } = settings;
  const bySubject = new Map<string, Set<Watched>>();
  let stopListening: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isRechecking = false;

  function remove(watched: Watched): boolean {
    const subjectId = watched.admission.principal.id;
    const others = bySubject.get(subjectId);
    const wasThere = others?.delete(watched) ?? false;
    if (others?.size === 0) bySubject.delete(subjectId);
    if (bySubject.size === 0) rest();
    return wasThere;
  }

  function end(watched: Watched): void {
    // Once only, whoever finds it first.
    if (!remove(watched)) return;
    const { principal, sessionId } = watched.admission;
    instruments.emit({ kind: "socket_closed", userId: principal.id, sessionId });
    quietly(watched.close)(undefined);
  }

  async function recheckSubject(subjectId: string): Promise<void> {
    const [state, sessions] = await Promise.all([store.subjects.read(subjectId), store.sessions.list(subjectId)]);
    const live = new Set(sessions.map(({ id }) => id));
    for (const watched of [...(bySubject.get(subjectId) ?? [])]) if (!mayStay(watched.admission, state, live)) end(watched);
  }

  async function recheck(): Promise<void> {
    // One after the other: many sockets must not become a burst on the store.
    for (const subjectId of [...bySubject.keys()]) {
      try {
        await recheckSubject(subjectId);
      } catch {
        // Nothing is known of it: closing every socket because the store blinked would be an outage of our own making.
      }
    }
  }

  // A store so slow that a look takes longer than the time between two must not get ever more of them at once.
  function recheckUnlessUnderWay(): void {
    if (isRechecking) return;
    isRechecking = true;
    void recheck().finally(() => (isRechecking = false));
  }

  function rest(): void {
    stopListening?.();
    stopListening = undefined;
    clearInterval(timer);
    timer = undefined;
  }

  function wake(): void {
    stopListening ??= auth.onRevoked(({ subjectId }) => void recheckSubject(subjectId).catch(() => {}));
    if (timer === undefined) {
      timer = setInterval(recheckUnlessUnderWay, recheckMs);
      timer.unref();
    }
  }

  return Object.freeze({
    add(admission: SocketAdmission, close: () => void): () => void {
      const watched: Watched = { admission, close };
      const subjectId = admission.principal.id;
      const others = bySubject.get(subjectId) ?? new Set();
      bySubject.set(subjectId, others.add(watched));
      wake();
      // What ended between the handshake and this call was told before anybody listened.
      void recheckSubject(subjectId).catch(() => {});
      return () => void remove(watched);
    },
    recheck,
    close(): void {
      bySubject.clear();
      rest();
    },
  });
}

function mayStay({ principal, sessionId }: SocketAdmission, state: SubjectState, liveSessions: ReadonlySet<string>): boolean {
  return !state.disabled && state.tokenVersion === principal.tokenVersion && liveSessions.has(sessionId);
}
