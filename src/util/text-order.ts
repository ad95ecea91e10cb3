/** The places of the texts in the order in which `toSorted()` has them, which is that of UTF-16. */
export function orderOf(texts: readonly string[]): number[] {
  return texts
    .map((_, place) => place)
    .sort((a, b) => {
      if (texts[a] === texts[b]) return a - b;
      return texts[a]! < texts[b]! ? -1 : 1;
    });
}
