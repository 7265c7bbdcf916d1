// The clipboard; on plain HTTP beyond loopback a browser has none for pages, and a field that is selected stands in.

/** @param {string} text @returns {Promise<boolean>} whether it is there now */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "unseen";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

/** Gives a person a file. @param {string} name @param {BlobPart} content @param {string} kind */
export function save(name, content, kind) {
  const address = URL.createObjectURL(new Blob([content], { type: kind }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
