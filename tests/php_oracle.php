<?php
// Reads a JSON list of {row, snippet} and prints a JSON list of {printed, truthy, list} or {error}.
error_reporting(0);
ini_set('precision', '14');
date_default_timezone_set('UTC');
mb_internal_encoding('UTF-8');

function run_snippet(string $snippet, array $row): mixed
{
    return eval($snippet);
}

function outcome(array $case): array
{
    try {
        $value = run_snippet($case['snippet'], $case['row']);
    } catch (\Throwable $error) {
        return ['error' => get_class($error)];
    }
    return [
        'printed' => $value === null ? null : (is_array($value) ? 'Array' : (string) $value),
        'truthy' => (bool) $value,
        'list' => is_array($value) ? array_map(fn ($item) => is_array($item) ? 'Array' : (string) $item, array_values($value)) : null,
    ];
}

$cases = json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR);
foreach ($cases as $number => $case) {
    $outcomes[$number] = outcome($case);
}
echo json_encode($outcomes ?? [], JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_UNICODE);
