/** xterm under the policy of the pages (decisions/067): what it would say in `<style>` elements and
 *  in `style` attributes goes the ways that the policy allows. */

/** An element in the place of a `<style>`, whose text is a sheet of the document. */
function styleNew(create: typeof document.createElement): HTMLElement {
  const element = create.call(document, "template");
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  Object.defineProperty(element, "textContent", { set: (text: string) => sheet.replaceSync(text) });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

/** Runs `open`, whose `<style>` elements become sheets. It makes none later. */
export function withSheets(open: () => void): void {
  const create = document.createElement;
  const replaced = (name: string, options?: ElementCreationOptions): HTMLElement =>
    (name === "style" ? styleNew(create) : create.call(document, name, options));
  document.createElement = replaced as typeof document.createElement;
  try {
    open();
  } finally {
    // The method of the prototype shows again.
    Reflect.deleteProperty(document, "createElement");
  }
}

// Rows with a colour of 24 bits say it as an attribute.
const { setAttribute } = HTMLSpanElement.prototype;
HTMLSpanElement.prototype.setAttribute = function set(name: string, value: string): void {
  if (name === "style") this.style.cssText = value;
  else setAttribute.call(this, name, value);
};
