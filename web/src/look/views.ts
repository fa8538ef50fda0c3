/** The style of the views that are loaded later. It stands before that of the first view, whose
 *  shapes are the stronger ones where both say something. */
let loaded: Promise<void> | null = null;

async function load(): Promise<void> {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = document.querySelector('meta[name="style-views"]')?.getAttribute("content") ?? "";
  await new Promise((resolve, reject) => {
    link.onload = resolve;
    link.onerror = reject;
    document.querySelector('link[rel="stylesheet"]')?.before(link);
  });
}

/** Fails where the daemon is away, or a newer one has another. */
export const viewsStyled = (): Promise<void> => (loaded ??= load().catch((fault: unknown) => {
  loaded = null; // The next view tries again.
  throw fault;
}));
