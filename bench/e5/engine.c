/* The converted model in llama.cpp: `engine MODEL BACKENDS TEXTS OUT EMBED`.
 *
 * TEXTS and OUT are binary: a text is its length (u32) and its bytes; a result is the number of tokens (u32), the
 * tokens (i32), the number of floats (u32, 0 or the width) and the floats. The first EMBED texts are embedded. */
#include <ggml-backend.h>
#include <llama.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define TOKENS_MAX 65536
#define WINDOW 512

static void quiet(enum ggml_log_level level, const char *text, void *data) {
    (void)data;
    if (level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

int main(int argc, char **argv) {
    if (argc != 6) fail("usage: engine MODEL BACKENDS TEXTS OUT EMBED");
    llama_log_set(quiet, NULL);
    ggml_backend_load_all_from_path(argv[2]);
    struct llama_model_params model_params = llama_model_default_params();
    struct llama_model *model = llama_model_load_from_file(argv[1], model_params);
    if (!model) fail("the model does not load");
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = params.n_batch = params.n_ubatch = WINDOW;
    params.embeddings = true;
    params.n_threads = params.n_threads_batch = 1;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
    struct llama_context *context = llama_init_from_model(model, params);
    if (!context) fail("no context");
    if (llama_pooling_type(context) != LLAMA_POOLING_TYPE_MEAN) fail("the file does not ask for mean pooling");
    const struct llama_vocab *vocab = llama_model_get_vocab(model);
    int width = llama_model_n_embd(model), embed = atoi(argv[5]);
    FILE *in = fopen(argv[3], "rb"), *out = fopen(argv[4], "wb");
    if (!in || !out) fail("the files cannot be opened");
    llama_token *tokens = malloc(TOKENS_MAX * sizeof *tokens);
    uint32_t length;
    for (int index = 0; fread(&length, 4, 1, in) == 1; index++) {
        char *text = malloc(length + 1);
        if (fread(text, 1, length, in) != length) fail("a text ends too early");
        int32_t count = llama_tokenize(vocab, text, (int32_t)length, tokens, TOKENS_MAX, true, false);
        free(text);
        if (count < 0) fail("a text has too many tokens");
        fwrite(&count, 4, 1, out);
        fwrite(tokens, 4, (size_t)count, out);
        uint32_t floats = index < embed && count <= WINDOW ? (uint32_t)width : 0;
        fwrite(&floats, 4, 1, out);
        if (!floats) continue;
        llama_memory_t memory = llama_get_memory(context);
        if (memory) llama_memory_clear(memory, true);
        if (llama_encode(context, llama_batch_get_one(tokens, count)) != 0) fail("a text cannot be embedded");
        const float *vector = llama_get_embeddings_seq(context, 0);
        if (!vector) fail("a text has no embedding");
        fwrite(vector, sizeof *vector, (size_t)width, out);
    }
    fclose(out);
    return 0;
}
