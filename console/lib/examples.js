// The example records that come with the program: the made-up city of the documentation.

/** @returns {Promise<import("./upload.js").Item[]>} */
export async function examples() {
  const base = new URL("../examples/", import.meta.url);
  /** @type {string[]} */
  const paths = await (await fetch(new URL("index.json", base))).json();
  return Promise.all(
    paths.map(async (path) => {
      const answer = await fetch(new URL(path.split("/").map(encodeURIComponent).join("/"), base));
      if (!answer.ok) throw new Error(path);
      return { path, file: new File([await answer.blob()], path.split("/").at(-1) ?? path) };
    }),
  );
}
