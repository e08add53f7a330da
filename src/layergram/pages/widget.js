// The page in a notebook: what anywidget calls for each widget and for each view of it.

import { mount } from "./page.js";

export default () => {
  const later = []; // columns that came after the data of the widget were set

  function initialize({ model }) {
    model.on("change:data", () => { later.length = 0; });
    model.on("change:step", () => { later.push(...model.get("step").pieces); });
  }

  async function render({ model, el }) {
    const holder = document.createElement("div");
    el.append(holder);
    let page = null;
    let asked = 0;
    const show = async () => {
      asked += 1;
      const mine = asked;
      page?.destroy();
      page = null;
      const data = model.get("data");
      if (!data.maps.length) return;
      const shown = await mount(holder, data);
      if (mine !== asked) {
        shown.destroy();
        return;
      }
      page = shown;
      page.append(later);
    };
    const take = () => page?.append(model.get("step").pieces);
    holder.addEventListener("pin", (event) => {
      model.set("pin", event.detail);
      model.save_changes();
    });
    model.on("change:data", show);
    model.on("change:step", take);
    await show();
    return () => {
      asked += 1;
      model.off("change:data", show);
      model.off("change:step", take);
      page?.destroy();
    };
  }

  return { initialize, render };
};
