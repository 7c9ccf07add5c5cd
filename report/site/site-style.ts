/** What the pages of the site have beyond those of the single page: a way around, lists, wide charts. */
export const SITE_STYLE = `
.bar{display:flex;flex-wrap:wrap;align-items:center;gap:6px 10px;font-size:14px;color:var(--soft)}
.bar .brand{font-size:14px;color:var(--ink);font-weight:600}
.crumbs{display:flex;flex-wrap:wrap;gap:2px 8px;list-style:none;margin:0;padding:0}
.crumbs li{overflow-wrap:anywhere}.crumbs li::before{content:"/";margin-right:8px;color:var(--edge)}
.tabs{display:flex;flex-wrap:wrap;gap:4px 6px;margin:16px 0 0;border-bottom:1px solid var(--edge)}
.tabs a{padding:8px 12px 7px;font-size:14px;color:var(--soft);border-bottom:2px solid transparent;margin-bottom:-1px;
  border-radius:6px 6px 0 0}
.tabs a:hover{color:var(--ink);text-decoration:none;background:var(--rule)}
.tabs a[aria-current]{color:var(--ink);font-weight:600;border-color:var(--series)}
.tabs .n{font-weight:400;color:var(--soft)}.tabs .n.bad{color:var(--bad)}
.walk{display:flex;flex-wrap:wrap;gap:4px 20px;font-size:14px;margin-top:10px}
.walk .gap{flex:1}
h1{overflow-wrap:anywhere}
.cols{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:0 28px;align-items:start}
.cols>section{min-width:0}
.none{padding:16px 18px;color:var(--soft);font-size:14px}
.none b{color:var(--ink);font-weight:560}
.panel>table{table-layout:auto}
th button{all:unset;cursor:pointer;border-radius:4px;color:inherit}
th button:hover{color:var(--ink)}th button:focus-visible{outline:2px solid var(--focus);outline-offset:2px}
th[aria-sort] button{color:var(--ink)}th[aria-sort=ascending] button::after{content:" \\2191"}
th[aria-sort=descending] button::after{content:" \\2193"}
td .meter{display:inline-block;vertical-align:1px;margin-left:8px;width:64px;height:7px}
.meter .m0{fill:var(--rule)}.meter .m1{fill:var(--hit)}.meter .m2{fill:var(--series)}.meter .m3{fill:var(--h2)}
.grid.wide{grid-template-columns:repeat(auto-fill,minmax(min(100%,520px),1fr));padding:2px 16px 16px}
.key{display:flex;flex-wrap:wrap;gap:4px 16px;margin-top:8px;font-size:13px;color:var(--soft)}
.key svg{width:14px;height:9px;margin-right:6px}
td.name{overflow-wrap:anywhere;min-width:110px}
.hot{color:var(--hit)}.bad{color:var(--bad)}
.crumbs li:first-child::before{content:none}
.bar .brand::after{content:"/";color:var(--edge);font-weight:400;margin-left:2px}
.bar .brand:last-child::after{content:none}
.tools+.panel,.notes+.panel{margin-top:4px}.tools{border-bottom-color:transparent}
@media(max-width:640px){
.bar .brand::after{content:none}
.bar{padding-top:2px}.tabs{flex-wrap:nowrap;overflow-x:auto;margin-right:-16px;scrollbar-width:none}
.tabs a{white-space:nowrap;padding:8px 9px 7px}
td .meter{display:none}.opt{display:none}td.name{min-width:0}
.tools{position:static}}
@media print{.tabs,.walk,.tools{display:none}}
`;
