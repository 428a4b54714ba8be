#include "blocks.cuh"

// Correlation of planes with sums of TERMS outer products: along rows, then down columns.
//
// Both passes read shared memory. In the first a thread computes two vectors of neighbouring outputs
// of a row, and threads of a warp have different rows; in the second ROWS of each of its columns.
// What is read for one output is kept for the next.
//
// Terms of a kernel have other signs and zeros than the kernel. So a block that brings NaN, infinity or
// what would overflow between the passes multiplies by the kernel itself.
constexpr int RUN = 2 * LENGTH;
constexpr int ACROSS_PITCH = pitch_of(SPAN_X);
constexpr int TAPS_PITCH = whole_vectors(WIDTH);
constexpr int BLOCKS = sizeof(NUMBER) > 4 ? 2 : 3;

__device__ void multiply_by_kernel(
    const NUMBER *corner, const NUMBER *__restrict__ weights, Line<1> (&sums)[ROWS])
{
#pragma unroll 1
    for (int tap = 0; tap < HEIGHT * WIDTH; tap++) {
        const NUMBER factor = weights[HEIGHT * WIDTH - 1 - tap];
        const NUMBER *under = corner + tap / WIDTH * PITCH + tap % WIDTH;
#pragma unroll
        for (int r = 0; r < ROWS; r++)
#pragma unroll
            for (int c = 0; c < COLUMNS; c++)
                sums[r].at(c) += factor * number_at(under + r * PITCH + c);
    }
}

// `vertical` is `channels` times TERMS times HEIGHT, `horizontal` the same with WIDTH; `weights` are
// the kernels that they make, finite and oriented for convolution.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) separable(
    const STORED *__restrict__ x, const NUMBER *__restrict__ vertical,
    const NUMBER *__restrict__ horizontal, const NUMBER *__restrict__ weights,
    RESULT *__restrict__ y,
    long long x_image, long long x_channel, long long x_row, long long x_column,
    long long x_rows, long long x_columns, long long first_row, long long first_column,
    long long images, long long channels, long long channels_per_group,
    long long rows, long long columns)
{
    static_assert(SPAN_X % RUN == 0, "a block's columns are whole runs");
    __shared__ __align__(16) NUMBER tile[TILE_ROWS * PITCH];
    __shared__ __align__(16) NUMBER across[TILE_ROWS * ACROSS_PITCH];
    __shared__ __align__(16) NUMBER along[TERMS * TAPS_PITCH];
    __shared__ NUMBER down[TERMS * HEIGHT];
    const Planes p = {
        x_image, x_channel, x_row, x_column, x_rows, x_columns, first_row, first_column,
        images, channels, channels_per_group, rows, columns};
    const NUMBER *corner = across + threadIdx.y * ROWS * ACROSS_PITCH + threadIdx.x * COLUMNS;

    for (int plane = blockIdx.z; plane < images * channels; plane += gridDim.z) {
        // Nobody may read what the last plane left any more.
        __syncthreads();
        const int channel = plane % (int)channels;
        for (int i = thread_of_block(); i < TERMS * HEIGHT; i += THREADS)
            put_number(down + i, vertical[channel * (TERMS * HEIGHT) + i]);
        for (int i = thread_of_block(); i < TERMS * WIDTH; i += THREADS)
            put_number(
                along + i / WIDTH * TAPS_PITCH + i % WIDTH,
                horizontal[channel * (TERMS * WIDTH) + i]);
        const NUMBER magnitudes = bring(p, x, plane, tile);

        Line<1> sums[ROWS] = {};
        if (__syncthreads_or(!(magnitudes <= TAME))) {
            multiply_by_kernel(
                tile + threadIdx.y * ROWS * PITCH + threadIdx.x * COLUMNS,
                weights + (long long)channel * (HEIGHT * WIDTH), sums);
            put(p, sums, plane, tile, y);
            continue;
        }
        for (int term = 0; term < TERMS; term++) {
            if (term > 0)
                __syncthreads();
            for (int i = thread_of_block(); i < TILE_ROWS * (SPAN_X / RUN); i += THREADS) {
                const int row = i % TILE_ROWS, first = i / TILE_ROWS * RUN;
                const NUMBER *taps = along + term * TAPS_PITCH;
                Line<2> run = {};
                along_row<2>(
                    tile + row * PITCH + first,
                    [&](int j, const Line<3> &window, auto count) {
                        multiply<decltype(count)::value>(vector_at(taps + j), window, run);
                    });
#pragma unroll
                for (int v = 0; v < 2; v++)
                    put_vector(
                        across + row * ACROSS_PITCH + first + v * LENGTH, run.vectors[v]);
            }
            __syncthreads();
#pragma unroll
            for (int i = 0; i < ROWS + HEIGHT - 1; i++) {
                const Numbers values = vector_at(corner + i * ACROSS_PITCH);
#pragma unroll
                for (int r = 0; r < ROWS; r++)
                    if (i >= r && i - r < HEIGHT) {
                        const NUMBER tap = number_at(down + term * HEIGHT + i - r);
#pragma unroll
                        for (int c = 0; c < COLUMNS; c++)
                            sums[r].at(c) += tap * values.at[c];
                    }
            }
        }
        put(p, sums, plane, tile, y);
    }
}
