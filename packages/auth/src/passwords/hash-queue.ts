// Argon2 takes 19 MiB and tens of milliseconds each: an unbounded number of logins would exhaust memory and the thread pool.

/** A place in the queue; whoever has one will get to run. */
export interface Place {
  /** Runs a job when it is this place's turn; may be called again. The lane is held until the job itself has ended. */
  run<T>(job: () => Promise<T>): Promise<T>;
  /** Gives the place back; harmless when called again. */
  leave(): void;
}

/** Lets `concurrency` jobs run and `queueLength` more wait, first come first served. */
export class HashQueue {
  readonly #maxPlaces: number;
  readonly #waiting: (() => void)[] = [];
  #places = 0;
  #freeLanes: number;

  constructor(
    concurrency: number,
    queueLength: number,
    private readonly onDepth: (places: number) => void,
  ) {
    this.#maxPlaces = concurrency + queueLength;
    this.#freeLanes = concurrency;
  }

  /** @returns `undefined` when everything is taken: shed the request now rather than let it wait for its client's timeout. */
  enter(): Place | undefined {
    if (this.#places >= this.#maxPlaces) return undefined;
    this.#move(1);
    let left = false;
    return {
      run: (job) => this.#run(job),
      leave: () => {
        if (left) return;
        left = true;
        this.#move(-1);
      },
    };
  }

  async #run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#freeLanes > 0) this.#freeLanes -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await job();
    } finally {
      // The lane goes to the next in line without becoming free in between: nobody can overtake.
      const next = this.#waiting.shift();
      if (next === undefined) this.#freeLanes += 1;
      else next();
    }
  }

  #move(by: 1 | -1): void {
    this.#places += by;
    this.onDepth(this.#places);
  }
}
