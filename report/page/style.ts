/** The style of the page, as text. One palette for light, one for dark; the page's policy allows it by hash. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;--bg:#f5f7f9;--card:#fff;--ink:#18222c;--soft:#54606d;--edge:#dfe5ea;--rule:#e9edf1;
--series:#3a6f9f;--hit:#cf3d1b;--fault:#7a4fc9;--faultbg:rgba(122,79,201,.13);--ok:#1c7a4c;--warn:#8d5a00;--bad:#b3261e;
--okbg:#e5f3ec;--warnbg:#fbf0db;--badbg:#fbe7e5;--link:#1f5f99;--focus:#1f6feb;
--h0:#e8edf1;--h1:#d26a45;--h2:#ae4720;--h3:#8a2f0f;--h4:#621c06;--h5:#330c02;--shadow:0 1px 2px rgba(20,32,44,.05),0 1px 8px rgba(20,32,44,.04)}
@media(prefers-color-scheme:dark){:root{--bg:#0f1419;--card:#171e25;--ink:#e5ebf0;--soft:#9ba8b4;--edge:#2a343d;
  --rule:#232c34;
--series:#74a9d8;--hit:#ff7350;--fault:#b79af3;--faultbg:rgba(183,154,243,.17);--ok:#63c795;--warn:#e3b25c;--bad:#ff8a7e;
--okbg:#15301f;--warnbg:#33280f;--badbg:#3a1a18;--link:#82b7ea;--focus:#6ea8fe;
--h0:#1d262d;--h1:#b0532f;--h2:#d67148;--h3:#f39a70;--h4:#ffc4a6;--h5:#fff6f0;--shadow:none}}
*{box-sizing:border-box}
[hidden]{display:none!important}
html{-webkit-text-size-adjust:100%;scroll-padding-top:72px}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 -apple-system,BlinkMacSystemFont,"Segoe UI",Roboto,
  "Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
main,header,footer{max-width:1240px;margin:0 auto;padding:0 24px}
h1,h2,h3,h4,p,dl,dd,figure{margin:0}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
:focus-visible{outline:2px solid var(--focus);outline-offset:2px;border-radius:4px}
.skip{position:absolute;left:-999px}.skip:focus{left:16px;top:8px;z-index:9;background:var(--card);padding:8px 12px}
.sr{position:absolute;width:1px;margin-left:-1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
header{padding-top:32px}
.brand{display:flex;align-items:center;gap:8px;color:var(--soft);font-size:13px;letter-spacing:.02em}
.brand svg{width:20px;height:20px}
.brand .g1{fill:none;stroke:var(--series);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.brand .g2{fill:var(--hit)}
h1{font-size:27px;line-height:1.25;font-weight:650;letter-spacing:-.015em;margin-top:10px}
h1 small{font-size:15px;font-weight:400;color:var(--soft);letter-spacing:0;white-space:nowrap}
.facts{display:flex;flex-wrap:wrap;gap:4px 22px;margin-top:8px;color:var(--soft);font-size:14px}
.facts b{color:var(--ink);font-weight:550;overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(134px,1fr));gap:12px;margin:22px 0 0}
.tile{background:var(--card);border:1px solid var(--edge);border-radius:10px;padding:12px 16px 13px;
  box-shadow:var(--shadow)}
.tile dt{font-size:13px;color:var(--soft)}
.tile dd{font-size:25px;line-height:1.25;font-weight:600;letter-spacing:-.01em}
.tile dd+dd{font-size:13px;line-height:1.4;font-weight:400;color:var(--soft);letter-spacing:0}
.tile.hot .big{color:var(--hit)}.tile.bad .big{color:var(--bad)}.tile.ok .big{color:var(--ok)}
.notes{margin-top:16px;padding:10px 16px;border-radius:10px;background:var(--warnbg);color:var(--warn);font-size:14px;
  overflow-wrap:anywhere}
.notes p+p{margin-top:4px}
section{margin-top:34px}
h2{font-size:18px;font-weight:620;letter-spacing:-.005em}
.lead{color:var(--soft);font-size:14px;margin-top:2px}
.panel{background:var(--card);border:1px solid var(--edge);border-radius:10px;box-shadow:var(--shadow);margin-top:12px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;padding:7px 14px;border-top:1px solid var(--rule);vertical-align:baseline}
thead th{border-top:0;font-weight:500;font-size:13px;color:var(--soft);white-space:nowrap}
.num{text-align:right;white-space:nowrap}.nw{white-space:nowrap}
.small{display:none}
td.msg{min-width:240px;overflow-wrap:anywhere}
td.msg details{margin-top:3px;color:var(--soft)}
.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.9em}
.chip{display:inline-block;border-radius:20px;padding:1px 9px;font-size:12.5px;line-height:1.5;white-space:nowrap;
  background:var(--rule);color:var(--soft)}
.chip.found,.chip.completed,.chip.good{background:var(--okbg);color:var(--ok)}
.chip.missed,.chip.failed{background:var(--badbg);color:var(--bad)}
.chip.skipped,.chip.cancelled,.chip.running{background:var(--warnbg);color:var(--warn)}
.chip.hot{background:none;color:var(--hit);padding:0;font-weight:600}
.heat{padding:14px 16px 10px}
.rows{display:grid;grid-template-columns:fit-content(200px) 1fr auto;gap:3px 12px;align-items:center;max-height:560px;
  overflow-y:auto}
.rows>a,.rows>b,.rows>.plain{font-size:13px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;font-weight:400}
.rows>a{line-height:24px}.lead a,.panel.none a,.notes a,footer a,td.msg a{text-decoration:underline}.rows>b{font-weight:600}.rows>.plain{font-weight:400}
.rows>span{font-size:13px;text-align:right;color:var(--soft)}
.strip{display:block;width:100%;height:17px;border-radius:3px;cursor:pointer}
.at{fill:none;stroke:var(--focus);stroke-width:2.5}
.strip.all{height:34px;border-radius:0;cursor:default;border-bottom:1px solid var(--edge)}
.axis{display:block;width:100%;height:20px;overflow:visible}
.rows>.top,.rows>.end{position:sticky;background:var(--card);z-index:1}.rows>.top{top:0}
.rows>.end{bottom:0;align-self:stretch}
.axis text,.tick{font-size:11px;fill:var(--soft)}
.h0{fill:var(--h0)}.h1{fill:var(--h1)}.h2{fill:var(--h2)}.h3{fill:var(--h3)}.h4{fill:var(--h4)}.h5{fill:var(--h5)}
.hf{fill:var(--fault)}.hb{fill:var(--hit)}
.legend{display:flex;flex-wrap:wrap;gap:4px 14px;margin-top:8px;font-size:12.5px;color:var(--soft);align-items:center}
.legend svg{width:14px;height:11px;vertical-align:-1px;margin-right:5px;border-radius:2px}
.tools{position:sticky;top:0;z-index:5;display:flex;flex-wrap:wrap;gap:8px 10px;align-items:center;
  margin:10px -24px 0;padding:10px 24px;background:var(--bg);border-bottom:1px solid var(--edge)}
.tools input,.tools select,.tools button{font:inherit;font-size:14px;color:var(--ink);background:var(--card);
  border:1px solid var(--edge);border-radius:8px;padding:6px 11px;height:36px}
.tools input{flex:1 1 200px;max-width:360px;min-width:0}
.tools button{cursor:pointer;color:var(--soft)}.tools button:hover{color:var(--ink);border-color:var(--soft)}
.tools output{font-size:13px;color:var(--soft)}
.gap{flex:1}
.device{margin-top:12px;background:var(--card);border:1px solid var(--edge);border-radius:10px;box-shadow:var(--shadow)}
.device>summary{display:flex;flex-wrap:wrap;gap:2px 14px;align-items:baseline;padding:11px 16px;cursor:pointer;
  list-style:none;border-radius:10px}
.device>summary::-webkit-details-marker{display:none}
.device>summary::before{content:"";width:7px;height:7px;border-right:1.6px solid var(--soft);
  border-bottom:1.6px solid var(--soft);transform:rotate(-45deg);align-self:center;margin-right:-2px}
.device[open]>summary::before{transform:rotate(45deg) translate(-1px,-1px)}
.device h3{font-size:16px;font-weight:620;overflow-wrap:anywhere}
.device>summary span{font-size:13.5px;color:var(--soft)}
.device>summary .hot{color:var(--hit)}.device>summary .bad{color:var(--bad)}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:6px 24px;
  padding:2px 16px 16px}
.card{min-width:0;scroll-margin-top:72px;content-visibility:auto;contain-intrinsic-size:auto 168px}
/* What is painted outside of a card is cut: its focus ring lies inside. */
.card :focus-visible{outline-offset:-2px}
.card.flat{contain-intrinsic-size:auto 62px}
.card:target :is(h3,h4) bdi{box-shadow:0 2px 0 var(--focus)}
.card :is(h3,h4){font-size:14px;font-weight:560;display:flex;flex-wrap:wrap;gap:0 10px;align-items:baseline;padding-top:8px;
  overflow-wrap:anywhere}
.card :is(h3,h4) i{font-style:normal;font-weight:400;color:var(--soft)}
.card :is(h3,h4) .chip{margin-left:auto}
.card :is(h3,h4) .chip+.chip{margin-left:0}
.card p{font-size:13.5px;color:var(--soft);overflow-wrap:anywhere}
.chart{height:136px;border-radius:6px;touch-action:pan-y;cursor:crosshair}
.chart svg{display:block}
.line{fill:none;stroke:var(--series);stroke-width:1.15;stroke-linejoin:round;stroke-linecap:round}
.hit,.halo{fill:none;stroke:var(--hit);stroke-width:5;stroke-linecap:round}.halo{stroke:var(--card);stroke-width:8}
.rule{stroke:var(--rule)}.notch,.base{stroke:var(--edge)}
.fault{fill:var(--faultbg)}.fault.missed{fill:none;stroke:var(--fault);stroke-dasharray:3 3;stroke-opacity:.7}
.kind{font-size:11px;fill:var(--fault)}
.cursor path{stroke:var(--soft);stroke-opacity:.6}.cursor circle{fill:var(--card);stroke:var(--series);stroke-width:2}
.cursor.hot circle{stroke:var(--hit)}
#tip{position:fixed;z-index:10;pointer-events:none;background:var(--ink);color:var(--bg);border-radius:7px;
  padding:6px 10px;font-size:12.5px;line-height:1.4;max-width:280px}
#tip b,#tip span{display:block;overflow-wrap:anywhere}#tip b{font-size:14px;font-weight:600}
#tip.hot{box-shadow:inset 3px 0 0 var(--hit)}
footer{margin-top:36px;padding-bottom:40px;font-size:13px;color:var(--soft)}
kbd{font:inherit;font-size:12px;border:1px solid var(--edge);border-radius:4px;padding:0 5px;background:var(--card)}
@media(max-width:640px){
main,header,footer{padding-left:16px;padding-right:16px}header{padding-top:20px}
h1{font-size:22px}h1 small{display:block}
.tiles{grid-template-columns:1fr 1fr;gap:8px;margin-top:16px}.tile{padding:9px 12px}.tile dd{font-size:21px}
.tools{margin:10px -16px 0;padding:8px 16px}.tools button{display:none}.tools input{flex-basis:150px}
.tools select{max-width:150px}.axis .odd{display:none}
.tile:last-child:nth-child(odd){grid-column:1/-1}.chip.long{white-space:normal;border-radius:9px}
.rows{grid-template-columns:minmax(0,84px) 1fr auto;gap:3px 8px}.heat{padding:12px 12px 8px}
th,td{padding:7px 10px}.stack thead{display:none}
.stack tr{display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 10px;padding:9px 12px;
  border-top:1px solid var(--rule)}
.stack tr:first-child{border-top:0}.stack td{border:0;padding:0}.stack td.msg{flex-basis:100%;min-width:0}
.small{display:inline}
.grid{padding:0 12px 12px}.device>summary{padding:10px 12px}}
@media print{
:root{color-scheme:light;--bg:#fff;--card:#fff;--ink:#111;--soft:#444;--edge:#bbb;--rule:#ddd;--series:#235a8c;
  --hit:#c02c0c;--fault:#6636c0;--faultbg:rgba(122,79,201,.15);--shadow:none;--ok:#14603a;--warn:#704700;
  --bad:#9b1c15;--okbg:none;--warnbg:none;--badbg:none;--link:#111;
--h0:#e8edf1;--h1:#d26a45;--h2:#ae4720;--h3:#8a2f0f;--h4:#621c06;--h5:#330c02}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
body{font-size:11px}.tools,#tip,.skip{display:none!important}.rows{max-height:none;overflow:visible}
.rows>*{position:static!important}
.scroll{overflow:visible}th,td{padding:4px 7px}td:not(.num){white-space:normal!important}h2,h3,.lead{break-after:avoid}.chart svg{max-width:100%;height:auto}
.chart{height:auto}
.card{content-visibility:visible;break-inside:avoid}.tile,.panel,tr{break-inside:avoid}}
`;
