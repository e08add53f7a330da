// The page of a file: its data stand in the document.

import { mount } from "./page.js";

mount(document.getElementById("page"), JSON.parse(document.getElementById("data").textContent));
