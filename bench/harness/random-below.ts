/** Makes a source of integers from 0 to below a bound, without pattern and the same in each run (xorshift32). */
export function createRandomBelow(): (bound: number) => number {
  let state = 88_172_645;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}
