/** Workers of these pages. The one policy of trusted types makes addresses of scripts alone, and
 *  only those of files of the pages; nothing here makes HTML or a script from text. */
interface Policy {
  createScriptURL(address: string): unknown;
}
interface Factory {
  createPolicy(name: string, rules: { createScriptURL(address: string): string }): Policy;
}

function scriptAddress(address: string): string {
  if (!/^\/assets\/[\w-]+\.js$/.test(address)) throw new TypeError(`no script of ours: ${address}`);
  return address;
}

const rules = { createScriptURL: scriptAddress };
/** Browsers without trusted types take the address as it is. */
const policy: Policy = (globalThis as { trustedTypes?: Factory }).trustedTypes
  ?.createPolicy("drover", rules) ?? rules;

/** A worker by its name: index.html says in `<meta name="worker-NAME">` which file that is. */
export function startWorker(name: string): Worker {
  const meta = document.querySelector(`meta[name="worker-${name}"]`);
  const address = policy.createScriptURL(meta?.getAttribute("content") ?? "");
  return new Worker(address as string);
}
