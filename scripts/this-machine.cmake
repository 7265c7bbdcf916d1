# Builds the engine's processor backend for this machine alone instead of for fourteen kinds of processors, which is half
# of what the first build takes. What is carried to other machines (`cargo xtask dist`, and all that CI builds) has them
# all: GGML_THIS_MACHINE=OFF in the environment.
#
# The engine's CMake project includes this file, see .cargo/config.toml.

if (GGML_THIS_MACHINE AND CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64" AND EXISTS "/proc/cpuinfo")
    file(STRINGS "/proc/cpuinfo" features REGEX "^flags" LIMIT_COUNT 1)
    string(REGEX MATCHALL "[a-z0-9_]+" features "${features}")

    # An option of the engine, and the features that it needs, as Linux names them.
    function(use option)
        set(usable ON)
        foreach (feature ${ARGN})
            if (NOT feature IN_LIST features)
                set(usable OFF)
            endif()
        endforeach()
        set(GGML_${option} ${usable} CACHE BOOL "" FORCE)
    endfunction()

    use(SSE42       sse4_2)
    use(AVX         avx)
    use(AVX2        avx2)
    use(BMI2        bmi2)
    use(FMA         fma)
    use(F16C        f16c)
    use(AVX_VNNI    avx_vnni)
    use(AVX512      avx512f avx512cd avx512vl avx512dq avx512bw)
    use(AVX512_VBMI avx512_vbmi)
    use(AVX512_VNNI avx512_vnni)
    use(AVX512_BF16 avx512_bf16)
    use(AMX_TILE    amx_tile)
    use(AMX_INT8    amx_int8)
    use(AMX_BF16    amx_bf16)
    set(GGML_CPU_ALL_VARIANTS OFF CACHE BOOL "" FORCE)
endif()
