// A small note beside whatever the pointer or the focus is on that has a "data-tip".

const tip = make("div", { class: "tip", role: "tooltip", hidden: true });

function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${clamp(x + 14, 4, Math.max(4, innerWidth - width - 4))}px`;
  tip.style.top = `${y + 18 + height > innerHeight ? y - height - 10 : y + 18}px`;
}

function hideTip() {
  tip.hidden = true;
}

function startTips() {
  document.body.append(tip);
  document.addEventListener("pointermove", (event) => {
    const tipped = event.target.closest && event.target.closest("[data-tip]");
    if (tipped) showTip(tipped.dataset.tip, event.clientX, event.clientY);
    else hideTip();
  });
  document.addEventListener("pointerleave", hideTip);
  document.addEventListener("focusin", ({ target }) => {
    const box = target.getBoundingClientRect();
    if (target.dataset.tip && target.matches(":focus-visible")) showTip(target.dataset.tip, box.left, box.bottom);
  });
  document.addEventListener("focusout", hideTip);
  document.addEventListener("scroll", hideTip, true);
}
