/** Which addresses outside text may lead to. */
const OUTSIDE = new Set(["http:", "https:", "mailto:"]);

export type Target = { href: string; place: boolean };

/** null: shown as text. Paths of these pages are places; those of the API and of files are none. */
export function targetOf(href: string, origin: string): Target | null {
  try {
    if (/^\/(?![/\\])/.test(href)) {
      const { origin: own, pathname, search, hash } = new URL(href, origin);
      if (own !== origin || /^\/(?:api|assets)(?:\/|$)/.test(pathname)) return null;
      return { href: pathname + search + hash, place: true };
    }
    const url = new URL(href);
    return OUTSIDE.has(url.protocol) ? { href: url.href, place: false } : null;
  } catch {
    return null;
  }
}
