/* The package's own tokenizer and embedder: `package MODEL TEXTS OUT EMBED`. Compiled with the package's `e5.c` in
 * the include path. The files are as in engine.c; texts come with their prefix already in front. */
#include "e5.c"

#define TOKENS_MAX 65536
#define WINDOW 512

int main(int argc, char **argv) {
    if (argc != 5) return fprintf(stderr, "usage: package MODEL TEXTS OUT EMBED\n"), 1;
    e5_model *model = e5_load(argv[1]);
    FILE *in = fopen(argv[2], "rb"), *out = fopen(argv[3], "wb");
    if (!model || !in || !out) return fprintf(stderr, "the files cannot be opened\n"), 1;
    int *tokens = malloc((TOKENS_MAX + 2) * sizeof *tokens), embed = atoi(argv[4]);
    float *mean = malloc(sizeof(float) * model->H);
    uint32_t length;
    for (int index = 0; fread(&length, 4, 1, in) == 1; index++) {
        char *text = calloc(1, length + 1);
        if (fread(text, 1, length, in) != length) return fprintf(stderr, "a text ends too early\n"), 1;
        int count = tok_content(&model->tok, text, tokens + 1, TOKENS_MAX);
        free(text);
        tokens[0] = model->tok.bos;
        tokens[++count] = model->tok.eos;
        uint32_t total = (uint32_t)count + 1, floats = index < embed && total <= WINDOW ? (uint32_t)model->H : 0;
        fwrite(&total, 4, 1, out);
        fwrite(tokens, 4, total, out);
        fwrite(&floats, 4, 1, out);
        if (!floats) continue;
        int position[WINDOW], start[WINDOW], end[WINDOW], segment[2] = {0, (int)total};
        for (uint32_t i = 0; i < total; i++) position[i] = (int)i, start[i] = 0, end[i] = (int)total;
        forward_batch(model, tokens, position, start, end, segment, 1, (int)total, mean, NULL);
        fwrite(mean, sizeof(float), (size_t)model->H, out);
    }
    fclose(out);
    return 0;
}
