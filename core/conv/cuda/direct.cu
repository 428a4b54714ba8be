#include "blocks.cuh"

// Direct correlation of planes: a thread keeps ROWS by COLUMNS outputs in registers for all taps.
//
// The inputs of a block lie in shared memory. One is read once for each column of taps, and
// multiplied into up to ROWS rows.

// In a longer straight stretch of code, instructions come from memory. (Not a macro: `#pragma`
// would not replace it.)
constexpr int UNROLLED = HEIGHT * WIDTH <= 81 ? ROWS + HEIGHT - 1 : 1;

// Weights are `channels` times HEIGHT times WIDTH.
extern "C" __global__ void __launch_bounds__(THREADS, 2) direct(
    const STORED *__restrict__ x, const NUMBER *__restrict__ weights, NUMBER *__restrict__ y,
    long long x_image, long long x_channel, long long x_row, long long x_column,
    long long x_rows, long long x_columns, long long first_row, long long first_column,
    long long images, long long channels, long long channels_per_group,
    long long rows, long long columns)
{
    __shared__ NUMBER tile[TILE_ROWS * PITCH];
    __shared__ NUMBER taps[HEIGHT * WIDTH];
    const Planes p = {
        x_image, x_channel, x_row, x_column, x_rows, x_columns, first_row, first_column,
        images, channels, channels_per_group, rows, columns};
    const NUMBER *corner = tile + threadIdx.y * ROWS * PITCH + threadIdx.x;

    for (int plane = blockIdx.z; plane < images * channels; plane += gridDim.z) {
        // Nobody may read the last plane's tile any more.
        __syncthreads();
        const NUMBER *own = weights + plane % (int)channels * (HEIGHT * WIDTH);
        for (int i = threadIdx.y * BLOCK_X + threadIdx.x; i < HEIGHT * WIDTH; i += THREADS)
            taps[i] = own[i];
        bring(p, x, plane, tile);
        __syncthreads();

        NUMBER sums[ROWS][COLUMNS] = {};
#pragma unroll UNROLLED
        for (int i = 0; i < ROWS + HEIGHT - 1; i++) {
#pragma unroll
            for (int j = 0; j < WIDTH; j++) {
                NUMBER value[COLUMNS];
#pragma unroll
                for (int c = 0; c < COLUMNS; c++)
                    value[c] = corner[i * PITCH + c * BLOCK_X + j];
#pragma unroll
                for (int r = 0; r < ROWS; r++) {
                    if (i < r || i - r >= HEIGHT)
                        continue;
                    const NUMBER tap = taps[(i - r) * WIDTH + j];
#pragma unroll
                    for (int c = 0; c < COLUMNS; c++)
                        sums[r][c] += tap * value[c];
                }
            }
        }
        put(p, sums, plane, y);
    }
}
