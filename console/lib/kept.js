// What this device keeps of somebody's choices. A browser that keeps nothing is no error.

/** @param {string} name */
export function kept(name) {
  try {
    return localStorage.getItem(`dure.${name}`);
  } catch {
    return null;
  }
}

/** @param {string} name @param {string | null} value */
export function keep(name, value) {
  try {
    if (value === null) localStorage.removeItem(`dure.${name}`);
    else localStorage.setItem(`dure.${name}`, value);
  } catch {
    // It holds until the page is closed.
  }
}
