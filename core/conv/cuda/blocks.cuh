// Blocks of threads that compute neighbouring outputs of a plane, from inputs in shared memory.
//
// Defined from outside: HEIGHT and WIDTH of the convolution kernel; ROWS and COLUMNS of the outputs
// of a thread, BLOCK_Y and BLOCK_X of the threads of a block; NEIGHBOURS, whether the numbers of an
// input's row lie side by side. COLUMNS are as many as are read from shared memory at once.
#include "planes.cuh"

#define THREADS (BLOCK_X * BLOCK_Y)
#define SPAN_Y (BLOCK_Y * ROWS)
#define SPAN_X (BLOCK_X * COLUMNS)
#define TILE_ROWS (SPAN_Y + HEIGHT - 1)
#define TILE_COLUMNS (SPAN_X + WIDTH - 1)
static_assert(COLUMNS == LENGTH, "a thread's columns are read and written at once");

// The least distance of rows that leaves vectors aligned, and those of a column in different banks.
__host__ __device__ constexpr int pitch_of(int columns) { return whole_vectors(columns) | LENGTH; }
constexpr int PITCH = pitch_of(TILE_COLUMNS);

// Threads beside each other where a tile goes from or to a device's memory.
constexpr int BESIDE = TILE_ROWS > 1 && THREADS > 32 ? 32 : THREADS;

__device__ int thread_of_block() { return threadIdx.y * BLOCK_X + threadIdx.x; }

// Numbers that a thread has on their way from the device's memory at a time.
constexpr int ON_THEIR_WAY = 20;

// Brings a tile's inputs, so many rows at a time that the device's memory is kept busy. Where ALL of
// them exist, nothing is asked of each. Returns the sum of the magnitudes that a thread has brought.
template <bool ALL>
__device__ NUMBER bring_rows(
    const STORED *__restrict__ source, long long x_row, long long x_column, const Part &part,
    NUMBER *tile)
{
    constexpr int ACROSS = (TILE_COLUMNS + BESIDE - 1) / BESIDE, APART = THREADS / BESIDE;
    constexpr int AT_ONCE = ACROSS < ON_THEIR_WAY ? ON_THEIR_WAY / ACROSS : 1;
    const int beside = thread_of_block() % BESIDE, first = thread_of_block() / BESIDE;
    const STORED nothing = {};
    NUMBER sum = 0;
#pragma unroll 1
    for (int below = first; below < TILE_ROWS; below += AT_ONCE * APART) {
        STORED values[AT_ONCE][ACROSS];
#pragma unroll
        for (int r = 0; r < AT_ONCE; r++) {
            const int row = below + r * APART;
            const STORED *line = source + row * x_row + beside * x_column;
#pragma unroll
            for (int c = 0; c < ACROSS; c++) {
                const int column = c * BESIDE + beside;
                const bool exists = ALL ? row < TILE_ROWS && column < TILE_COLUMNS
                                        : part.has(row, column);
                values[r][c] = exists ? line[c * BESIDE * x_column] : nothing;
            }
        }
#pragma unroll
        for (int r = 0; r < AT_ONCE; r++)
#pragma unroll
            for (int c = 0; c < ACROSS; c++) {
                const int row = below + r * APART, column = c * BESIDE + beside;
                const NUMBER value = number(values[r][c]);
                if constexpr (!IS_INTEGER<STORED>)
                    sum += magnitude(value);
                if (row < TILE_ROWS && column < TILE_COLUMNS)
                    put_number(tile + row * PITCH + column, value);
            }
    }
    return sum;
}

// What exists of the tile of a block's inputs.
__device__ Part part_of_inputs(const Planes &p)
{
    const long long first_row = (long long)blockIdx.y * SPAN_Y + p.first_row;
    const long long first_column = (long long)blockIdx.x * SPAN_X + p.first_column;
    return {
        clamped(-first_row, TILE_ROWS), clamped(p.x_rows - first_row, TILE_ROWS),
        clamped(-first_column, TILE_COLUMNS), clamped(p.x_columns - first_column, TILE_COLUMNS)};
}

// Brings the inputs of a block's outputs into `tile`, with zeros where there are none. Returns what
// `bring_rows` does.
__device__ NUMBER bring(const Planes &p, const STORED *__restrict__ x, int plane, NUMBER *tile)
{
    const long long first_row = (long long)blockIdx.y * SPAN_Y + p.first_row;
    const long long first_column = (long long)blockIdx.x * SPAN_X + p.first_column;
    const long long x_column = NEIGHBOURS ? 1 : p.x_column;
    const Part part = part_of_inputs(p);
    const STORED *source =
        inputs_of(p, x, plane) + first_row * p.x_row + first_column * x_column;
    return part.is_all(TILE_ROWS, TILE_COLUMNS)
               ? bring_rows<true>(source, p.x_row, x_column, part, tile)
               : bring_rows<false>(source, p.x_row, x_column, part, tile);
}

// Vectors of neighbouring numbers in a thread's registers.
template <int VECTORS>
struct Line {
    Numbers vectors[VECTORS];
    __device__ NUMBER &at(int i) { return vectors[i / LENGTH].at[i % LENGTH]; }
    __device__ const NUMBER &at(int i) const { return vectors[i / LENGTH].at[i % LENGTH]; }
};

template <int N>
struct Count {
    static constexpr int value = N;
};

// Taps of a row that make whole vectors, and those that are left.
constexpr int WHOLE = WIDTH / LENGTH * LENGTH, LEFT = WIDTH - WHOLE;
constexpr int STEPS_UNROLLED = WHOLE <= 32 ? WHOLE / LENGTH : 8;

// Goes along a row of inputs in shared memory with all that neighbouring outputs see of it, and calls
// `each(first tap, window, count of taps)`: what is read for one vector of taps is kept for the next.
template <int VECTORS, class Each>
__device__ void along_row(const NUMBER *line, const Each &each)
{
    Line<VECTORS + 1> window;
#pragma unroll
    for (int v = 0; v < VECTORS; v++)
        window.vectors[v] = vector_at(line + v * LENGTH);
#pragma unroll STEPS_UNROLLED
    for (int j = 0; j < WHOLE; j += LENGTH) {
        window.vectors[VECTORS] = vector_at(line + j + VECTORS * LENGTH);
        each(j, window, Count<LENGTH>{});
#pragma unroll
        for (int v = 0; v < VECTORS; v++)
            window.vectors[v] = window.vectors[v + 1];
    }
    if constexpr (LEFT > 0) {
        // A single tap does not reach beyond the outputs' own columns.
        if constexpr (LEFT > 1)
            window.vectors[VECTORS] = vector_at(line + WHOLE + VECTORS * LENGTH);
        each(WHOLE, window, Count<LEFT>{});
    }
}

// Adds to neighbouring outputs what so many taps make of the inputs before them.
template <int TAPS, int VECTORS>
__device__ void multiply(
    const Numbers &taps, const Line<VECTORS + 1> &window, Line<VECTORS> &sums)
{
#pragma unroll
    for (int q = 0; q < TAPS; q++)
#pragma unroll
        for (int c = 0; c < VECTORS * LENGTH; c++)
            sums.at(c) += taps.at[q] * window.at(q + c);
}

// Stores all threads' outputs, those that exist, by way of `tile`: in a device's memory,
// neighbouring threads write neighbouring numbers.
__device__ void put(
    const Planes &p, const Line<1> (&sums)[ROWS], int plane, NUMBER *tile, RESULT *__restrict__ y)
{
    // Nobody may read inputs there any more.
    __syncthreads();
#pragma unroll
    for (int r = 0; r < ROWS; r++)
        put_vector(
            tile + (threadIdx.y * ROWS + r) * SPAN_X + threadIdx.x * COLUMNS, sums[r].vectors[0]);
    __syncthreads();
    const long long first_row = (long long)blockIdx.y * SPAN_Y;
    const long long first_column = (long long)blockIdx.x * SPAN_X;
    const Part part = {
        0, clamped(p.rows - first_row, SPAN_Y), 0, clamped(p.columns - first_column, SPAN_X)};
    const int beside = thread_of_block() % BESIDE, first = thread_of_block() / BESIDE;
    RESULT *target = y + (plane * p.rows + first_row + first) * p.columns + first_column + beside;
#pragma unroll
    for (int r = 0; r < SPAN_Y * BESIDE; r += THREADS) {
#pragma unroll
        for (int c = 0; c < SPAN_X; c += BESIDE)
            if (part.has(r / BESIDE + first, c + beside))
                target[c] = rounded<RESULT>(
                    number_at(tile + (r / BESIDE + first) * SPAN_X + c + beside));
        target += THREADS / BESIDE * p.columns;
    }
}
