// scale.mjs: time limits of tests, multiplied by how slow this machine is.
//
// DROVER_TEST_SCALE  how many times slower than the machine that the limits were written for;
//                    scripts/test measures it when it begins. 1 where nothing is said.
//
// A limit ends a test that hangs; it must never end one that is only slow.
const said = Number(process.env.DROVER_TEST_SCALE ?? 1);
const scale = said > 1 && said <= 20 ? said : 1;

export const scaled = (ms) => Math.round(ms * scale);
