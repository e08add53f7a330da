"""Short texts of several kinds, to see what heads do when nobody has brought texts."""

from __future__ import annotations

PARAGRAPHS = (
    "The lighthouse at the end of the harbour was built in 1871, after two fishing boats had been "
    "lost on the rocks in one winter. Its keeper wrote down the weather three times a day, and the "
    "books with his notes are still kept in the town hall. For more than sixty years the light was "
    "fed with oil; then a cable was laid, and the keeper became a caretaker who came once a week.",
    '"Did you bring the keys?" asked Maria. "I thought you had the keys," said Tom. They looked at '
    "each other, then at the door, then at the bag on the ground between them. Maria emptied the "
    "bag: a scarf, two apples, a newspaper, a map of the wrong city. Tom laughed first. Maria took "
    "one of the apples, sat down on the steps, and said that they might as well have lunch.",
    "To make the soup, wash four large carrots and two leeks and cut them into thin slices. Melt a "
    "spoon of butter in a pot, add the leeks, and stir until they are soft. Add the carrots, a "
    "litre of water and a pinch of salt. Let the soup simmer for twenty minutes, then mash it with "
    "a fork. Serve the soup with bread, and keep what is left in a cool place for two days.",
    "def mean(values):\n    total = 0\n    for value in values:\n        total = total + value\n"
    "    return total / len(values)\n\n\ndef spread(values):\n    centre = mean(values)\n"
    "    distances = [abs(value - centre) for value in values]\n    return mean(distances)\n\n\n"
    "print(mean([2, 4, 9]))\nprint(spread([2, 4, 9]))\n",
    "A train leaves the station at 9:15 and travels at 80 kilometres per hour. A second train "
    "leaves the same station at 9:45 and travels at 120 kilometres per hour. By 9:45 the first "
    "train has gone 40 kilometres. The second train gains 40 kilometres every hour, so it needs "
    "one hour to draw level. The two trains meet at 10:45, at 120 kilometres from the station.",
    "Dear neighbours, on Saturday the water will be turned off between eight and noon, because the "
    "old pipe under the yard has to be replaced. Please fill a few bottles on Friday evening, and "
    "do not use the washing machine on Saturday morning. If the work takes longer than planned, we "
    "will put a note on the front door. Thank you for your patience. The house committee",
    "Bees find their way by the sun, and when the sun is hidden they use the pattern of light in "
    "the sky. A bee that has found flowers tells the others by a dance: the direction of the dance "
    "shows the direction of the flowers, and its length shows how far away they are. Bees that "
    "follow the dance fly out and search. Those that find the flowers come back and dance as well.",
    "Planets of the solar system: Mercury, Venus, Earth, Mars, Jupiter, Saturn, Uranus, Neptune. "
    "Largest: Jupiter. Smallest: Mercury. Closest to the sun: Mercury. Farthest from the sun: "
    "Neptune. With rings that can be seen from Earth through a small telescope: Saturn. With one "
    "moon: Earth. With two moons: Mars. Without a moon: Mercury, Venus.",
)
