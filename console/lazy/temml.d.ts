/** A node of the tree that temml makes of a formula. */
export interface MathNode {
  type?: string;
  attributes?: Record<string, string>;
  classes?: string[];
  style?: Record<string, string>;
  children?: MathNode[];
  text?: string;
}

declare const temml: {
  __renderToMathMLTree(tex: string, options: object): MathNode;
};
export default temml;
