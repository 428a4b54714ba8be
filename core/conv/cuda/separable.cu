#include "blocks.cuh"

// Correlation of planes with sums of TERMS outer products: along rows, then down columns.
//
// Both passes read shared memory. In the first a thread computes RUN neighbouring outputs of a row,
// in the second ROWS of a column: what is read for one of them is kept for the next. Threads of a
// warp have different rows in the first, which an odd pitch puts into different banks.

// As many as registers hold.
constexpr int RUN = sizeof(NUMBER) > 4 ? 4 : 8;
#define ACROSS_PITCH (SPAN_X | 1)

// `vertical` is `channels` times TERMS times HEIGHT, `horizontal` the same with WIDTH.
extern "C" __global__ void __launch_bounds__(THREADS, 2) separable(
    const STORED *__restrict__ x, const NUMBER *__restrict__ vertical,
    const NUMBER *__restrict__ horizontal, NUMBER *__restrict__ y,
    long long x_image, long long x_channel, long long x_row, long long x_column,
    long long x_rows, long long x_columns, long long first_row, long long first_column,
    long long images, long long channels, long long channels_per_group,
    long long rows, long long columns)
{
    static_assert(SPAN_X % RUN == 0, "a block's columns are whole runs");
    __shared__ NUMBER tile[TILE_ROWS * PITCH];
    __shared__ NUMBER across[TILE_ROWS * ACROSS_PITCH];
    __shared__ NUMBER down[TERMS * HEIGHT], along[TERMS * WIDTH];
    const Planes p = {
        x_image, x_channel, x_row, x_column, x_rows, x_columns, first_row, first_column,
        images, channels, channels_per_group, rows, columns};
    const int thread = threadIdx.y * BLOCK_X + threadIdx.x;

    for (int plane = blockIdx.z; plane < images * channels; plane += gridDim.z) {
        // Nobody may read what the last plane left any more.
        __syncthreads();
        const int channel = plane % (int)channels;
        for (int i = thread; i < TERMS * HEIGHT; i += THREADS)
            down[i] = vertical[channel * (TERMS * HEIGHT) + i];
        for (int i = thread; i < TERMS * WIDTH; i += THREADS)
            along[i] = horizontal[channel * (TERMS * WIDTH) + i];
        bring(p, x, plane, tile);

        NUMBER sums[ROWS][COLUMNS] = {};
        for (int term = 0; term < TERMS; term++) {
            __syncthreads();
            for (int i = thread; i < TILE_ROWS * (SPAN_X / RUN); i += THREADS) {
                const int row = i % TILE_ROWS, first = i / TILE_ROWS * RUN;
                NUMBER run[RUN] = {};
#pragma unroll
                for (int j = 0; j < WIDTH + RUN - 1; j++) {
                    const NUMBER value = tile[row * PITCH + first + j];
#pragma unroll
                    for (int q = 0; q < RUN; q++)
                        if (j >= q && j - q < WIDTH)
                            run[q] += along[term * WIDTH + j - q] * value;
                }
#pragma unroll
                for (int q = 0; q < RUN; q++)
                    across[row * ACROSS_PITCH + first + q] = run[q];
            }
            __syncthreads();
            const NUMBER *corner = across + threadIdx.y * ROWS * ACROSS_PITCH + threadIdx.x;
#pragma unroll
            for (int i = 0; i < ROWS + HEIGHT - 1; i++) {
                NUMBER value[COLUMNS];
#pragma unroll
                for (int c = 0; c < COLUMNS; c++)
                    value[c] = corner[i * ACROSS_PITCH + c * BLOCK_X];
#pragma unroll
                for (int r = 0; r < ROWS; r++)
                    if (i >= r && i - r < HEIGHT)
#pragma unroll
                        for (int c = 0; c < COLUMNS; c++)
                            sums[r][c] += down[term * HEIGHT + i - r] * value[c];
            }
        }
        put(p, sums, plane, y);
    }
}
