export const meta = { name: "bare-guard", description: "The same without braces." };

const helpers = { trim: (text) => text.trim() };
if (typeof module !== "undefined")
  module.exports = helpers;
typeof exports !== "undefined" && (exports.helpers = helpers);
return helpers.trim(await agent("  Say something.  ", { label: "say" })).length > 0;
