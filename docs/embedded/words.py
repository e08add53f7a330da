"""Word lists, facts and short situations for the embedded steps, all written for layergram."""

from __future__ import annotations


def _rows(text: str) -> tuple[tuple[str, ...], ...]:
    """The cells of a table with one row per line and ``|`` between cells."""
    return tuple(
        tuple(cell.strip() for cell in line.split("|")) for line in text.strip().splitlines()
    )


WOMEN = (
    "Ada", "Bea", "Cora", "Dina", "Elsa", "Freya", "Greta", "Hana", "Ines", "Jana", "Kira",
    "Lena", "Mira", "Nora", "Olga", "Petra", "Rosa", "Sara", "Tess", "Vera", "Yara", "Zoe",
)  # fmt: skip
MEN = (
    "Adam", "Boris", "Carl", "Dario", "Emil", "Felix", "Gus", "Hugo", "Ivan", "Jonas", "Kofi",
    "Leon", "Marco", "Nils", "Omar", "Paul", "Rafi", "Sven", "Theo", "Viktor", "Walid", "Yusuf",
)  # fmt: skip
WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ROOMS = (
    "in the garden", "in the kitchen", "in the cellar", "in the attic", "in the garage",
    "in the office", "in the library", "in the stable", "in the tower", "at the harbour",
    "in a church", "in a cinema", "at the market", "at the station", "at the theatre",
)  # fmt: skip
ANIMALS = ("dog", "horse", "cat", "goat", "bear", "fox", "wolf")
LOOKS = ("hungry", "small", "old", "white")
DEEDS = ("ran", "jumped", "ate", "slept", "drank", "yawned", "limped")

GOODS = _rows("""
apples | lemons
pears | plums
cups | plates
pens | books
coins | stamps
hens | ducks
chairs | tables
roses | tulips
shirts | hats
keys | locks
eggs | rolls
bricks | tiles
balls | ropes
bowls | spoons
""")
"""Two kinds of things to own."""

COMPARED = _rows("""
taller | tall | tallest | shorter | shortest
older | old | oldest | younger | youngest
faster | fast | fastest | slower | slowest
stronger | strong | strongest | weaker | weakest
richer | rich | richest | poorer | poorest
happier | happy | happiest | sadder | saddest
heavier | heavy | heaviest | lighter | lightest
louder | loud | loudest | quieter | quietest
kinder | kind | kindest | meaner | meanest
wealthier | wealthy | wealthiest | poorer | poorest
bigger | big | biggest | smaller | smallest
cleaner | clean | cleanest | dirtier | dirtiest
neater | neat | neatest | messier | messiest
younger | young | youngest | older | oldest
""")
"""A comparative, its adjective, its superlative; the opposite comparative and superlative."""

WISHES = _rows("""
swim | lake | library
borrow a novel | library | lake
see lions | zoo | bank
open an account | bank | zoo
buy fresh bread | bakery | museum
look at old paintings | museum | bakery
catch a train | station | post office
send a parcel | post office | station
have a tooth pulled | dentist | theatre
see a play | theatre | dentist
ride a pony | farm | cinema
watch a film | cinema | farm
look at stars through a telescope | observatory | market
buy vegetables from farmers | market | observatory
""")
"""A wish, the place for it, and a place that does not help."""

CLUES = _rows("""
a boarding pass | looks for gate 12 | at an airport
a menu | waits for the waiter | in a restaurant
a shopping list | pushes a trolley past the cheese | in a supermarket
a camera | takes pictures of the lions behind the fence | at a zoo
a towel | feels warm sand under {his} feet | on a beach
a bucket | sits down to milk the cow | on a farm
a candle | listens to the priest | in a church
a bag of popcorn | looks up at the big screen in the dark | in a cinema
a novel | whispers between the long shelves of books | in a library
a piece of chalk | explains the sum to {his} pupils | in a classroom
a suitcase | waits on platform 4 | at a train station
a scalpel | bends over the sleeping patient | in a hospital
a racket | serves the ball over the net | on a tennis court
a paddle | steers the canoe between the rocks | on a river
""")
"""What somebody holds and does, and where that is."""

PRICED = _rows("""
tent | map | maps
lamp | candle | candles
coat | scarf | scarves
mirror | comb | combs
kettle | mug | mugs
clock | pen | pens
drum | whistle | whistles
chair | cushion | cushions
rug | broom | brooms
suitcase | belt | belts
racket | ball | balls
helmet | bell | bells
watch | ring | rings
radio | battery | batteries
""")
"""Something dear, and something cheap in the singular and the plural."""

RULES = _rows("""
the red lamp is on | the red lamp is off | the gate is closed | the gate is open | closed | shut | Yes
the field is under water | the field is dry | the match is cancelled | the match is on | cancelled | called off | Yes
the bell is ringing | the bell is silent | the lesson is over | the lesson is still on | over | beginning | No
the milk is sour | the milk is fresh | the cook is angry | the cook is calm | angry | peaceful | No
the cat is indoors | the cat is outdoors | the dog is quiet | the dog is noisy | quiet | loud | No
the flag is up | the flag is down | the king is present | the king is absent | present | away | No
the lake is frozen | the lake is free of ice | the ferry is idle | the ferry is in use | idle | busy | No
the tank is empty | the tank is full | the engine is silent | the engine is noisy | silent | soundless | Yes
the oven is hot | the oven is cold | the kitchen is warm | the kitchen is chilly | hot | freezing | No
the shop is crowded | the shop is empty | the owner is cheerful | the owner is gloomy | cheerful | happy | Yes
the road is icy | the road is free of ice | the bridge is unsafe | the bridge is safe | unsafe | dangerous | Yes
the battery is flat | the battery is charged | the phone is useless | the phone is useful | useless | helpful | No
the tide is high | the tide is low | the cave is flooded | the cave is dry | flooded | under water | Yes
the paint is wet | the paint is dry | the bench is forbidden | the bench is free | forbidden | not allowed | Yes
""")  # noqa: E501
"""If the first then the third; the second denies the first, the fourth the third. Then a word of
them, another word, and whether the two mean the same."""

OWNED = _rows("""
spider | spiders | legs | 8
ant | ants | legs | 6
bicycle | bicycles | wheels | 2
violin | violins | strings | 4
octopus | octopuses | arms | 8
tricycle | tricycles | wheels | 3
crab | crabs | legs | 10
horse | horses | legs | 4
glass cube | glass cubes | edges | 12
butterfly | butterflies | wings | 4
hen | hens | legs | 2
chessboard | chessboards | squares | 64
unicycle | unicycles | wheels | 1
normal die | normal dice | faces | 6
""")
"""A thing, several of it, a part, and how many such parts one thing has."""

JOURNEYS = _rows("""
flew | by plane | Lima | Tokyo | Japan
sailed | by ship | Athens | Beirut | Lebanon
drove | by car | Madrid | Lisbon | Portugal
cycled | by bicycle | Vienna | Budapest | Hungary
hiked | on foot | Vienna | Bratislava | Slovakia
jetted | by plane | Canberra | Wellington | New Zealand
cruised | by ship | Helsinki | Tallinn | Estonia
motored | by car | Luxembourg | Brussels | Belgium
biked | by bicycle | Berlin | Warsaw | Poland
trekked | on foot | Kathmandu | Thimphu | Bhutan
skied | on skis | Oslo | Stockholm | Sweden
flew | by plane | Cairo | Ottawa | Canada
sailed | by ship | Dublin | Reykjavik | Iceland
marched | on foot | Sofia | Athens | Greece
""")
"""A verb, the way of travelling it tells, two capitals, and the country of the second."""

FEELINGS = _rows("""
Ivan thanked Olga because she had found his keys. | she | Olga | Ivan | grateful
Petra held Sven for a long time before he left for the war. | he | Sven | Petra | sad
Hugo screamed when Dina let her snake out of its box. | her | Dina | Hugo | afraid
Nora slammed the door after Omar had lied to her again. | her | Nora | Nora | angry
Mira gave Kofi a puppy, and he jumped for joy. | he | Kofi | Kofi | happy
Vera yawned while Felix showed her holiday pictures for hours. | her | Vera | Vera | bored
Theo turned red when Sara read his love letter to the class. | his | Theo | Theo | embarrassed
Greta lay awake because Emil had not called since his accident. | his | Emil | Greta | worried
Jonas carried the piano upstairs for Bea and fell asleep on her sofa. | her | Bea | Jonas | tired
Carl hung the medal round Hana's neck, and she smiled at the crowd. | she | Hana | Hana | proud
Zoe pulled a rabbit out of her hat, and Paul stared open-mouthed. | her | Zoe | Paul | surprised
Ines ate alone all week because Boris and his friends ignored her. | his | Boris | Ines | lonely
Rafi had not eaten all day and stared at the sandwich in Yara's hand while she talked. | she | Yara | Rafi | hungry
Adam could not stop looking at the new bike that Elsa had got from her uncle. | her | Elsa | Adam | jealous
""")  # noqa: E501
"""A sentence, a pronoun in it, whom it means; somebody, and how that person feels."""

LINES = _rows("""
harbour | see the ships
airport | catch a plane
beach | swim in the sea
castle | climb an old tower
stadium | watch a football match
university | hear a lecture
hospital | visit a sick friend
forest | pick mushrooms
shopping centre | buy new shoes
mountains | go skiing
opera house | hear famous singers
vineyard | taste wine
fairground | ride a carousel
quarry | look for fossils
""")
"""Where a bus goes, and a wish that it serves."""

SIGNS = _rows("""
Black clouds gather, and thunder rolls. Sara is about to go out. | Will it probably rain soon? | Yes | Should Sara take the umbrella or the sunglasses? | the umbrella
The sun burns from a clear sky. Leon walks to the beach. | Is it probably cold there? | No | Should Leon wear the sun hat or the gloves? | the sun hat
All the lamps in the street went out at once. Jana wants to read. | Is the power probably off? | Yes | Should Jana fetch the candle or the fan? | the candle
The milk smells sour and is full of lumps. Gus is thirsty. | Is the milk probably still good? | No | Should Gus drink the milk or the water? | the water
Snow covers the road, and the pond is frozen. Nils goes for a walk. | Is it probably summer? | No | Should Nils wear the sandals or the boots? | the boots
A tree has fallen across the road, and cars stand in a long line. Viktor is in a hurry. | Is the road probably free? | No | Should Viktor take the car or the train? | the train
Dario's nose is running, and he coughed all night. | Is Dario probably ill? | Yes | Should Dario go to the party or to the doctor? | the doctor
The baby sleeps at last. Cora wants to hear some rock music. | Would loud music probably wake the baby? | Yes | Should Cora use the speakers or the headphones? | the headphones
Walid's soup is still boiling. He is hungry. | Would Walid probably burn his tongue on the soup now? | Yes | Should Walid start with the soup or the salad? | the salad
The roast has been in the oven for nine hours, and smoke fills Freya's kitchen. | Is the roast probably still raw? | No | Should Freya open the window or the fridge to get rid of the smoke? | the window
The ice on the pond cracks under a small stone. Theo wants to get to the other side. | Would the ice probably carry a car? | No | Should Theo take the way over the ice or the bridge? | the bridge
The leaves of Ada's plants hang down, and the soil is dry as dust. | Have the plants probably been watered today? | No | Should Ada fetch the watering can or the axe? | the watering can
Petra's book has a torn edge where its last page was. She wants to know the end. | Did somebody probably tear the page out? | Yes | Does Petra need the other copy or the bookmark? | the other copy
A trail of feathers leads from the henhouse through a hole in the fence. One of Boris's hens is missing. | Did an animal probably take the hen? | Yes | Should Boris mend the fence or the chimney? | the fence
""")  # noqa: E501
"""Signs, a question about what they mean with its answer, a choice with its answer."""

SUSPECTS = _rows("""
Somebody ate the cake. Omar has crumbs on his shirt, and Nora was away all day. | Who most likely ate the cake? | Omar
Carl's shoes are dry. Tess's shoes leave puddles on the floor. | Who most likely walked through the rain? | Tess
Lena wears a white coat and a stethoscope. Theo wears an apron white with flour. | Who is most likely a doctor? | Lena
Gus has clean hands. Bea's fingers are blue, and the new blue paint on the door is smeared. | Who most likely touched the door? | Bea
Jonas limps and has scratches on both knees. Mira dances through the room. | Who most likely fell off a bicycle today? | Jonas
Ivan's hair is dry. Vera's hair is wet, and she smells of chlorine. | Who has most likely been in the pool? | Vera
Hugo smells of fish and wears rubber boots. Elsa carries law books to the court. | Who is most likely a lawyer? | Elsa
Zoe has just drunk her fifth coffee. Emil has drunk a glass of warm milk. | Who will most likely lie awake tonight? | Zoe
Paul is packing his skis. Sara is packing a swimsuit and a snorkel. | Who is most likely going to the sea? | Sara
Rosa has studied for weeks. Felix has not opened the book. | Who will most likely pass the exam? | Rosa
Greta is reading in bed. Kofi stands beside the broken window with a football and looks guilty. | Who most likely broke the window? | Kofi
Dina sneezes as soon as the cat comes in. Nils plays with it for hours. | Who is most likely allergic to cats? | Dina
Leon goes to primary school. Ines has grey hair and six grandchildren. | Who is most likely retired? | Ines
Yusuf's tank is almost empty. Cora has just filled hers to the top. | Who will most likely have to stop first? | Yusuf
""")  # noqa: E501

WORKS = _rows("""
wrote the play Hamlet | William Shakespeare
painted the Mona Lisa | Leonardo da Vinci
wrote the novel Don Quixote | Miguel de Cervantes
wrote War and Peace | Leo Tolstoy
composed The Magic Flute | Wolfgang Amadeus Mozart
painted Guernica | Pablo Picasso
wrote Pride and Prejudice | Jane Austen
wrote Frankenstein | Mary Shelley
wrote the play Faust | Johann Wolfgang von Goethe
wrote Oliver Twist | Charles Dickens
composed The Four Seasons | Antonio Vivaldi
wrote Les Misérables | Victor Hugo
painted The Starry Night | Vincent van Gogh
wrote Moby-Dick | Herman Melville
""")

SYMBOLS = ("H", "He", "N", "O", "Na", "C", "Fe", "Cu", "Zn", "Ag", "Sn", "Au", "Hg", "Pb")

KINDS = _rows("""
a whale | a fish | No
a penguin | a bird | Yes
a bat | a bird | No
a frog | an amphibian | Yes
a spider | an insect | No
a snake | a reptile | Yes
a shark | a mammal | No
a dolphin | a mammal | Yes
a crocodile | a mammal | No
an ostrich | a bird | Yes
a lizard | an amphibian | No
an ant | an insect | Yes
a turtle | a fish | No
a salmon | a fish | Yes
""")

NUMBER_WORDS = _rows("""
a dozen eggs | eggs | 12
a fortnight | days | 14
a pair of gloves | gloves | 2
a decade | years | 10
a trio of singers | singers | 3
a century | years | 100
half a dozen rolls | rolls | 6
a string quartet | players | 4
a millennium | years | 1000
triplets | children | 3
a piano solo | players | 1
a score of years | years | 20
a wind quintet | players | 5
a double room | guests | 2
""")

CHOICES = _rows("""
The cup is | What colour is the cup? | red | blue | green
The spoon is made of | What is the spoon made of? | gold | silver | wood
The meeting is on | On which day is the meeting? | Monday | Tuesday | Friday
The drink is | What is the drink? | tea | coffee | milk
The door is | What colour is the door? | white | brown | yellow
The coin is made of | What is the coin made of? | copper | iron | silver
The party is on | On which day is the party? | Saturday | Sunday | Thursday
The pet is a | What is the pet? | cat | dog | hen
The car is | What colour is the car? | black | grey | orange
The ring is made of | What is the ring made of? | tin | gold | glass
The exam is on | On which day is the exam? | Wednesday | Friday | Monday
The soup is | How is the soup? | hot | warm | cold
The flag is | What colour is the flag? | green | white | red
The gift is a | What is the gift? | lamp | scarf | clock
""")
"""The start of a sentence, a question, and three things of which one is the case."""

JOBS = _rows("""
The roof should be repaired as cheaply as possible. | asks {} euros | 60 | 150 | least
The firm needs the translator who knows the most languages. | knows {} languages | 2 | 9 | most
The team sends its fastest runner over 100 metres. | needs {} seconds | 11 | 16 | least
The museum wants the guide with the longest experience. | has worked for {} years | 2 | 30 | most
The parcel should arrive as soon as possible. | can bring it in {} days | 2 | 9 | least
The ship needs the cook who can feed the most people. | can cook for {} people | 10 | 60 | most
The baker needs the helper who can start earliest. | can start at {} o'clock | 4 | 9 | least
The quiz team wants the player with the highest score. | scored {} points | 20 | 90 | most
The school wants the driver with the fewest accidents. | has had {} accidents | 2 | 9 | least
The farm wants the picker who fills the most baskets. | fills {} baskets | 5 | 20 | most
The film needs the youngest dancer. | is {} years old | 18 | 40 | least
The orchestra takes the player who practises most. | practises {} hours a day | 2 | 9 | most
The paper wants the typist with the fewest mistakes. | makes {} mistakes a page | 2 | 12 | least
The club signs the striker with the most goals. | has scored {} goals | 5 | 30 | most
""")
"""A criterion, what each person offers, the least and the largest offer, and which offer wins."""
