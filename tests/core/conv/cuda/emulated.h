// Enough of CUDA C++ to run a kernel on a processor: threads of a block are fibres that take turns
// and change at each barrier, blocks run one after the other, shared memory is static. What a block
// is given of shared memory holds NaN at first, so that nobody relies on the block before.
#include <ucontext.h>

#include <cmath>
#include <cstring>
#include <vector>

struct Three { int x, y, z; };
static Three threadIdx, blockIdx, blockDim, gridDim;

#define __global__
#define __host__
#define __device__
#define __shared__ static
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)

namespace emulated {
static ucontext_t scheduler;
static ucontext_t *fibre;
static bool *finished;
static void (*body)();
static unsigned char shared[256 << 10];

static void begin() {
    body();
    *finished = true;
    swapcontext(fibre, &scheduler);
}

static void run_block(int threads, std::vector<char> &stacks, long long given) {
    std::memset(shared, 255, given);
    std::vector<ucontext_t> fibres(threads);
    std::vector<char> ended(threads, 0);
    for (int t = 0; t < threads; t++) {
        getcontext(&fibres[t]);
        fibres[t].uc_stack.ss_sp = stacks.data() + ((std::size_t)t << 16);
        fibres[t].uc_stack.ss_size = 1 << 16;
        fibres[t].uc_link = &scheduler;
        makecontext(&fibres[t], begin, 0);
    }
    for (int left = threads; left > 0;)
        for (int t = 0; t < threads; t++) {
            if (ended[t])
                continue;
            threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y,
                         t / (blockDim.x * blockDim.y)};
            bool done = false;
            fibre = &fibres[t];
            finished = &done;
            swapcontext(&scheduler, &fibres[t]);
            ended[t] = done;
            left -= done;
        }
}

static void run(Three grid, Three block, void (*kernel)(), long long given) {
    gridDim = grid;
    blockDim = block;
    body = kernel;
    const int threads = block.x * block.y * block.z;
    std::vector<char> stacks((std::size_t)threads << 16);
    for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++)
                run_block(threads, stacks, given);
}

// Binary16: a sign, five bits of exponent, ten of fraction.
static float from_half(unsigned short bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                       : exponent     ? std::ldexp(1024.0f + fraction, exponent - 25)
                                      : std::ldexp((float)fraction, -24);
    return bits >> 15 ? -size : size;
}
}  // namespace emulated

static void __syncthreads() { swapcontext(emulated::fibre, &emulated::scheduler); }
