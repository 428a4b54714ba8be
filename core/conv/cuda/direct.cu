#include "blocks.cuh"

// Direct correlation of planes: a thread keeps ROWS by COLUMNS outputs in registers for all taps.
//
// The inputs of a block lie in shared memory. A thread goes along each of its rows with a window of
// inputs, and multiplies what it sees by the taps of up to ROWS rows.

// In a longer straight stretch of code, instructions come from memory. (Not a macro: `#pragma`
// would not replace it.)
constexpr int UNROLLED = HEIGHT * WIDTH <= 81 ? ROWS + HEIGHT - 1 : 1;
// As many as read while others compute, where registers allow it.
constexpr int BLOCKS = sizeof(NUMBER) > 4 ? 2 : HEIGHT * WIDTH <= 25 ? 4 : 3;
constexpr int TAPS_PITCH = whole_vectors(WIDTH);

// Weights are `channels` times HEIGHT times WIDTH.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) direct(
    const STORED *__restrict__ x, const NUMBER *__restrict__ weights, NUMBER *__restrict__ y,
    long long x_image, long long x_channel, long long x_row, long long x_column,
    long long x_rows, long long x_columns, long long first_row, long long first_column,
    long long images, long long channels, long long channels_per_group,
    long long rows, long long columns)
{
    __shared__ __align__(16) NUMBER tile[TILE_ROWS * PITCH];
    __shared__ __align__(16) NUMBER taps[HEIGHT * TAPS_PITCH];
    const Planes p = {
        x_image, x_channel, x_row, x_column, x_rows, x_columns, first_row, first_column,
        images, channels, channels_per_group, rows, columns};
    const NUMBER *corner = tile + threadIdx.y * ROWS * PITCH + threadIdx.x * COLUMNS;

    for (int plane = blockIdx.z; plane < images * channels; plane += gridDim.z) {
        // Nobody may read what the last plane left any more.
        __syncthreads();
        const NUMBER *own = weights + plane % (int)channels * (HEIGHT * WIDTH);
        for (int i = thread_of_block(); i < HEIGHT * WIDTH; i += THREADS)
            put_number(taps + i / WIDTH * TAPS_PITCH + i % WIDTH, own[i]);
        bring(p, x, plane, tile);
        __syncthreads();

        Line<1> sums[ROWS] = {};
#pragma unroll UNROLLED
        for (int i = 0; i < ROWS + HEIGHT - 1; i++)
            along_row<1>(corner + i * PITCH, [&](int j, const Line<2> &window, auto count) {
#pragma unroll
                for (int r = 0; r < ROWS; r++)
                    if (i >= r && i - r < HEIGHT)
                        multiply<decltype(count)::value>(
                            vector_at(taps + (i - r) * TAPS_PITCH + j), window, sums[r]);
            });
        put(p, sums, plane, tile, y);
    }
}
